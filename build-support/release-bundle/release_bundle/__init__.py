"""An Airflow DAG bundle over what `build-support/deployments` writes to a destination.

Its class is `release_bundle.bundle.ReleaseBundle`. It is not imported here, since `layout` is
used without Airflow too.
"""
