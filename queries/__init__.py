"""Table → answer: DuckDB views over the warehouse, and the saved reports that use them."""

from queries.adhoc import ask
from queries.charts import chart
from queries.database import connect
from queries.errors import QueryError
from queries.reports import load, names, run

__all__ = ["QueryError", "ask", "chart", "connect", "load", "names", "run"]
