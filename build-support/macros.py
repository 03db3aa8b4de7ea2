"""The macros of the BUILD files. All names of this module are defined in each of them."""

DOMAINS = ("finance", "healthcare", "retail")

# The domains whose images and tests run Spark.
SPARK_DOMAINS = ("retail",)


# The CPython of the domains whose base image has another one than 3.11, such as
# (("logistics", "3.13"),). After a change: ./pants lock <domain>
PYTHONS = ()


def constraints_of(domain):
    """Return the interpreter constraints of a domain's code."""
    return [f"CPython=={dict(PYTHONS).get(domain, '3.11')}.*"]


def library_sources(name=None, resolves=("library",), domains=DOMAINS, **fields):
    """Define `python_sources` in some resolves, among them those of domains."""
    shared = [domain for domain in domains if domain not in dict(PYTHONS)]
    python_sources(name=name, resolve=parametrize(*resolves, *shared), **fields)
    for domain in domains:
        if domain in dict(PYTHONS):
            python_sources(
                name=f"{name or 'sources'}_{domain}",
                resolve=domain,
                interpreter_constraints=constraints_of(domain),
                **fields,
            )


def marketplace_domain(name=None):
    """Define the targets of the folder `maxaiusecases/<domain>`: requirements, `:image` and
    `:wheel`. Its Python files and all folders below need only `python_sources()` and
    `python_tests(name="tests")`. `tailor` passes a name, which is not used.
    """
    domain = build_file_dir().name
    constraints = constraints_of(domain)

    __defaults__(
        {
            (python_source, python_sources): dict(
                resolve=domain, interpreter_constraints=constraints
            ),
            (python_test, python_tests): dict(
                resolve=domain,
                interpreter_constraints=constraints,
                # Spark looks for Java in these, and image_test.py for docker.
                extra_env_vars=["JAVA_HOME", "PATH"],
            ),
        }
    )
    # A domain may use itself and the library, and no other domain may use it. The library
    # may use its packages, since its modules are in the resolve of the domain, too.
    own = f"//maxaiusecases/{domain}/**"
    __dependencies_rules__(("*", own, "//maxairesources/**", "!*"))
    __dependents_rules__(
        ("<python_requirement*>", own, "//maxairesources/**", "!*"),
        # The last two are the configs that name the image and the tests that run it.
        (
            "*",
            own,
            "//build-support/**",
            f"//maxaiconfigs/{domain}/**",
            f"//maxaidags/{domain}/**",
            "!*",
        ),
    )

    python_requirements(name="requirements", source="requirements.txt", resolve=domain)
    files(name="resolve", sources=["requirements.lock", "requirements.txt"])
    sources_below(name="handlers")

    # The image has the packages in one layer and the sources, which change more often, in
    # another; see the Dockerfile.
    pex_binary(
        name="deps",
        resolve=domain,
        interpreter_constraints=constraints,
        dependencies=[":handlers"],
        include_sources=False,
        include_tools=True,
        layout="packed",
        execution_mode="venv",
    )
    image_sources(name="sources", dependencies=[":handlers"])
    docker_image(
        name="image",
        repository=f"maxai/{domain}",
        # The plugin adds the content tag.
        image_tags=[],
        dependencies=[":deps", ":sources"],
    )
    file(name="dockerfile", source="Dockerfile")

    python_distribution(
        name="wheel",
        interpreter_constraints=constraints,
        dependencies=["./setup.py", ":resolve", ":handlers"],
        provides=python_artifact(name=f"maxai-{domain}"),
        generate_setup=False,
        sdist=False,
        # Two builds of the same content give the same bytes.
        env_vars=["SOURCE_DATE_EPOCH=315532800"],
    )


def sample_data():
    """Provide the sample data of a domain, which its sample_data.py writes, to tests.

    A test that depends on `//maxaiusecases/<domain>:sample_data` finds it in `data/`.
    """
    adhoc_tool(
        name="sample_data",
        runnable="./sample_data.py",
        # Pants 2.17 does not count the runnable as a dependency.
        execution_dependencies=["./sample_data.py"],
        args=["data"],
        workdir="/",
        output_directories=["data"],
    )
