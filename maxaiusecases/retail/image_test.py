"""Tests of the image of the domain retail."""

from maxairesources.testing.images import (
    check_content,
    check_handlers_start,
    docker,
    image_name,
)


def test_handlers_start_in_the_image() -> None:
    check_handlers_start("retail")


def test_image_contains_only_code_and_packages() -> None:
    check_content("retail")


# The run tests of the objectives start the image as a driver. An executor cannot do more than
# this without a cluster.
def test_executor_starts_and_connects_to_its_driver() -> None:
    settings = {
        "APPLICATION_ID": "application",
        "DRIVER_URL": "spark://CoarseGrainedScheduler@127.0.0.1:9",
        "EXECUTOR_CORES": "1",
        "EXECUTOR_ID": "1",
        "EXECUTOR_MEMORY": "512m",
        "EXECUTOR_POD_IP": "127.0.0.1",
        "EXECUTOR_POD_NAME": "executor",
        "RESOURCE_PROFILE_ID": "0",
    }
    environment = [f"--env=SPARK_{name}={value}" for name, value in settings.items()]
    result = docker("run", "--rm", *environment, image_name("retail"), "executor")
    assert result.returncode == 1
    assert "KubernetesExecutorBackend: Started daemon" in result.stderr
    assert "Failed to connect to /127.0.0.1:9" in result.stderr
