"""The macros of the BUILD files. All names of this module are defined in each of them."""


def all_domains():
    """Return the domains: a dict from each name to its CPython, such as 3.11.

    The launcher lists them: each folder of maxaiusecases that is ready to be built.
    """
    # Pants sees `env` only where it stands alone.
    listed = env("MAXAI_DOMAINS", "")
    return dict(each.split("=") for each in listed.split())


def without_problems():
    """Return globs that exclude the folders of domains with a problem, which the launcher lists."""
    problems = env("MAXAI_PROBLEMS", "")
    paths = (each.partition(":")[0] for each in problems.splitlines())
    return [f"!{path.split('/')[1]}/**" for path in paths]


def constraints_of(domain):
    """Return the interpreter constraints of a domain's code."""
    return [f"CPython=={all_domains().get(domain, '3.11')}.*"]


def library_sources(name=None, resolves=("library",), **fields):
    """Define `python_sources` in some resolves, and in those of all domains."""
    pythons = all_domains()
    shared = [domain for domain, python in pythons.items() if python == "3.11"]
    python_sources(name=name, resolve=parametrize(*resolves, *shared), **fields)
    for domain in sorted(pythons.keys() - {*shared}):
        python_sources(
            name=f"{name or 'sources'}_{domain}",
            resolve=domain,
            interpreter_constraints=constraints_of(domain),
            **fields,
        )


def data_files(exclude=()):
    """Define a `resource` of `:data` for each data file in the folders below, which modules read."""
    # The plugin defines NO_DATA.
    exclude = [*exclude, *(f"!**/{each}" for each in NO_DATA)]
    resources(name="data", sources=["*/**", "!*/notebooks/**", *exclude])


def marketplace_domain(dependencies=(), sample_data=None, module_mapping=None):
    """Define the targets of a domain: `:image`, `:wheel`, its handlers and their tests.

    They cover all folders below, so no usecase needs a BUILD file. A domain with a problem, which
    the launcher and `lint` report, has no targets.

    Args:
        dependencies: the addresses that handlers need without an import, such as
            `:requirements#openpyxl`.
        sample_data: if the domain has a sample_data.py, the addresses that it depends on
            without an import. A test that depends on `:sample_data` finds its output in `data/`.
        module_mapping: the modules of each package that is imported under another name, such as
            `{"imbalanced-learn": ["imblearn"]}`.
    """
    domain = build_file_dir().name
    if domain not in all_domains():
        return
    _set_defaults(domain)
    _build_walls(domain)
    python_requirements(
        name="requirements",
        source="requirements.txt",
        resolve=domain,
        module_mapping=module_mapping,
    )
    files(name="resolve", sources=["requirements.*"])

    no_tests = ["!*/notebooks/**", "!**/*_test.py", "!**/test_*.py"]
    # The image has one of these only if a handler imports it.
    helpers = ["**/conftest.py", "*/**/*_helper.py", "*/**/fixtures/**/*.py"]
    python_sources(
        name="handlers",
        sources=["*/**/*.py", *no_tests, *(f"!{each}" for each in helpers)],
        dependencies=dependencies,
    )
    data_files()
    python_sources(
        sources=["*.py", "!*_test.py", "!test_*.py", "!conftest.py", "!sample_data.py"]
    )
    tests = ["**/*_test.py", "**/test_*.py", "!*/notebooks/**"]
    python_tests(name="tests", sources=tests)
    python_test_utils(name="test_utils", sources=[*helpers, *no_tests])
    if sample_data is not None:
        _define_sample_data(sample_data)
    _define_image(domain)
    _define_wheel(domain)


def _set_defaults(domain):
    fields = dict(resolve=domain, interpreter_constraints=constraints_of(domain))
    # Spark looks for Java in these, and image_test.py for docker.
    tests = dict(**fields, extra_env_vars=["JAVA_HOME", "PATH"])
    __defaults__(
        {
            (python_source, python_sources, python_test_utils, pex_binary): fields,
            (python_test, python_tests): tests,
        }
    )


def _build_walls(domain):
    # A domain may use itself and the library, and no other domain may use it. The library
    # may use its packages, since its modules are in the resolve of the domain, too.
    own = f"//maxaiusecases/{domain}/**"
    # The last two are the configs that name the image and the tests that run it.
    users = (
        "//build-support/**",
        f"//maxaiconfigs/{domain}/**",
        f"//maxaidags/{domain}/**",
    )
    __dependencies_rules__(("*", own, "//maxairesources/**", "!*"))
    __dependents_rules__(
        ("<python_requirement*>", own, "//maxairesources/**", "!*"),
        ("*", own, *users, "!*"),
    )


def _define_image(domain):
    # The image has the packages in one layer and the sources, which change more often, in
    # another; see the Dockerfile.
    pex_binary(
        name="deps",
        dependencies=[":handlers"],
        include_sources=False,
        include_tools=True,
        layout="packed",
        execution_mode="venv",
    )
    image_sources(name="sources", dependencies=[":handlers"])
    # The launcher reads both in marketplace.toml.
    prefix = env("MAXAI_PREFIX", "")
    licenses = env("MAXAI_LICENSES", "")
    name, source = f"{prefix}/{domain}", f"maxaiusecases/{domain}"
    labels = dict(title=name, source=source, licenses=licenses)
    # The plugin adds the content tag.
    docker_image(
        name="image",
        repository=name,
        image_labels={f"org.opencontainers.image.{k}": v for k, v in labels.items()},
        image_tags=[],
        dependencies=[":deps", ":sources"],
    )


def _define_wheel(domain):
    python_distribution(
        name="wheel",
        interpreter_constraints=constraints_of(domain),
        dependencies=["./setup.py", ":resolve", ":handlers"],
        provides=python_artifact(name=f"maxai-{domain}"),
        generate_setup=False,
        sdist=False,
        # Two builds of the same content give the same bytes.
        env_vars=["SOURCE_DATE_EPOCH=315532800"],
    )


def _define_sample_data(dependencies):
    python_source(
        name="sample_data_source", source="sample_data.py", dependencies=dependencies
    )
    adhoc_tool(
        name="sample_data",
        runnable=":sample_data_source",
        # Pants 2.17 does not count the runnable as a dependency.
        execution_dependencies=[":sample_data_source"],
        workdir="/",
        output_directories=["data"],
    )
