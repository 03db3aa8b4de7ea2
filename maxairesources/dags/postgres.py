"""The operator of Airflow 2 that today's SQLExecuteQueryOperator replaces."""

from typing import Any

from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator


class PostgresOperator(SQLExecuteQueryOperator):
    """Runs SQL; postgres_conn_id is another name of conn_id, with a default."""

    def __init__(
        self,
        *,
        postgres_conn_id: str = "postgres_default",
        conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(conn_id=conn_id or postgres_conn_id, **kwargs)
