"""The macros of the BUILD files. Pants makes every name in here known to all of them."""

DOMAINS = ("finance", "healthcare", "retail")

OBJECTIVES = (
    "finance/credit_risk/default_score",
    "healthcare/patient_outcomes/recurrence_risk",
    "retail/customer360/segmentation",
    "retail/demand_forecast/weekly_units",
)

# The domains whose images and tests run Spark.
SPARK_DOMAINS = ("retail",)


def marketplace_domain():
    """Everything a domain's folder `maxaiusecases/<domain>` is made into: its requirements,
    image (`:image`) with the test of it, and wheel (`:wheel`). Below it, `python_sources()`
    and `python_tests(name="tests")` are all that a BUILD file needs.
    """
    domain = build_file_dir().name

    __defaults__(
        {
            (python_source, python_sources): dict(resolve=domain),
            (python_test, python_tests): dict(
                resolve=domain,
                # Spark looks for Java in these.
                extra_env_vars=["JAVA_HOME", "PATH"] if domain in SPARK_DOMAINS else [],
            ),
        }
    )
    # A domain may use itself and what all share, and no other domain may use it. Shared
    # modules may use its packages, since they are declared in its resolve too.
    own = f"//maxaiusecases/{domain}/**"
    __dependencies_rules__(("*", own, "//maxairesources/**", "!*"))
    __dependents_rules__(
        ("<python_requirement*>", own, "//maxairesources/**", "!*"),
        ("*", own, "//build-support/**", "!*"),
    )

    python_requirements(name="requirements", source="requirements.txt", resolve=domain)
    files(name="resolve", sources=["requirements.lock", "requirements.txt"])
    domain_handlers(name="handlers")

    # The image has the packages as one layer and the sources, which change more often, as
    # another; see the Dockerfile.
    pex_binary(
        name="deps",
        resolve=domain,
        dependencies=[":handlers"],
        include_sources=False,
        include_tools=True,
        layout="packed",
        execution_mode="venv",
    )
    pex_binary(
        name="srcs",
        resolve=domain,
        dependencies=[":handlers"],
        include_requirements=False,
        layout="loose",
    )
    docker_image(
        name="image",
        repository=f"maxai/{domain}",
        # The tag is the hash of all that goes in, so the same content has the same tag on
        # every machine.
        image_tags=["{pants.hash}"],
        dependencies=[":deps", ":srcs"],
    )
    file(name="dockerfile", source="Dockerfile")
    python_test(
        name="image_test",
        source="image_test.py",
        runtime_package_dependencies=[":image"],
        extra_env_vars=["JAVA_HOME", "PATH"],
    )

    python_source(name="setup", source="setup.py")
    python_distribution(
        name="wheel",
        dependencies=[":setup", ":resolve", ":handlers"],
        provides=python_artifact(name=f"maxai-{domain}"),
        generate_setup=False,
        sdist=False,
        # Two builds of the same content give the same bytes.
        env_vars=["SOURCE_DATE_EPOCH=315532800"],
    )


def marketplace_usecase_configs():
    """The configs of a usecase and its objectives, `maxaiconfigs/<domain>/<usecase>`."""
    files(name="configs", sources=["**/*.json"])


def marketplace_dag():
    """The DAG of an objective, `maxaidags/<domain>/<usecase>/<objective>`, and its test."""
    _, domain, usecase, _ = build_file_dir().parts
    python_source(
        name="dag",
        source="dag.py",
        resolve="airflow",
        dependencies=[f"//maxaiconfigs/{domain}/{usecase}:configs"],
    )
    python_test(
        name="dag_test", source="dag_test.py", resolve="airflow", dependencies=[":dag"]
    )
