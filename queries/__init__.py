"""Table → answer: DuckDB views over the warehouse, and the saved reports that use them."""

from queries.answers.ask import ask
from queries.answers.reports import load, names, run
from queries.connection.connect import connect
from queries.errors import QueryError
from queries.show.charts import chart

__all__ = ["QueryError", "ask", "chart", "connect", "load", "names", "run"]
