"""Runs the SQL of docs/sql.md as it stands: run.py ENGINE DOCUMENT LOGS DIRECTORY

ENGINE is `duckdb`, `spark`, or `trino`, whose statements are translated to DuckDB. DIRECTORY is empty, and takes what
an engine writes. Prints a JSON object: the rows of each view and query by name.
"""

import json
import re
import sys
from pathlib import Path

VIEWS = ["lives", "verdicts", "crash_loops", "unfinished"]
QUERIES = ["task", "oom_families", "near_limit", "lost_hosts"]


def statements(document):
    """The SQL blocks of the document by `(engine, name)`."""
    found = {}
    for title, block in re.findall(r"<!-- sql: (.*?) -->\n```sql\n(.*?)```", document, re.DOTALL):
        found[tuple(title.split(" ", 1))] = block
    blocks = document.count("```sql")
    assert len(found) == blocks, f"{blocks} blocks, but {len(found)} that can be told apart"
    return found


def pieces(block):
    return [piece for piece in block.split(";\n") if piece.strip()]


class DuckDB:
    def __init__(self, _directory):
        import duckdb

        self.connection = duckdb.connect()

    def execute(self, sql):
        return self.connection.execute(sql)

    def rows(self, sql):
        result = self.connection.execute(sql)
        names = [column[0] for column in result.description]
        return [dict(zip(names, row)) for row in result.fetchall()]


class Trino(DuckDB):
    """Trino's dialect, translated; its lines are DuckDB's."""

    def execute(self, sql):
        from sqlglot import exp, parse_one

        def null_where_no_json(node):
            # Trino's JSON functions give NULL for a text that is no JSON, where DuckDB's end the query.
            if isinstance(node, exp.JSONExtractScalar):
                return parse_one(f"CASE WHEN json_valid({node.this.sql('duckdb')}) THEN {node.sql('duckdb')} END", read="duckdb")
            return node

        return super().execute(parse_one(sql, read="trino").transform(null_where_no_json).sql("duckdb"))


class Spark:
    def __init__(self, directory):
        from pyspark.sql import SparkSession

        # Small and quiet: one thread, no web page, nothing outside of the directory.
        settings = {
            "spark.ui.enabled": "false",
            "spark.sql.shuffle.partitions": "1",
            "spark.sql.warehouse.dir": f"{directory}/warehouse",
            "spark.local.dir": f"{directory}/local",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.sql.session.timeZone": "Asia/Kathmandu",
            # The heap is small: what counts is how soon a query begins.
            "spark.sql.codegen.wholeStage": "false",
            "spark.sql.adaptive.enabled": "false",
            "spark.sql.codegen.factoryMode": "NO_CODEGEN",
            "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Dderby.system.home=" + directory,
        }
        builder = SparkSession.builder.master("local[1]")
        for key, value in settings.items():
            builder = builder.config(key, value)
        self.session = builder.getOrCreate()
        self.session.sparkContext.setLogLevel("ERROR")

    def execute(self, sql):
        self.session.sql(sql)

    def rows(self, sql):
        return [row.asDict() for row in self.session.sql(sql).collect()]


def main():
    name, document, logs, directory = sys.argv[1:]
    found = statements(Path(document).read_text(encoding="utf-8"))
    engine = {"duckdb": DuckDB, "spark": Spark, "trino": Trino}[name](directory)
    lines = found[("duckdb" if name == "trino" else name, "lines")].replace("LOGS", logs)
    for piece in pieces(lines):
        DuckDB.execute(engine, piece) if name == "trino" else engine.execute(piece)
    for key in [(name, "records")] + [("any", view) for view in VIEWS]:
        for piece in pieces(found[key]):
            engine.execute(piece)
    result = {view: engine.rows(f"SELECT * FROM epitaph_{view}") for view in VIEWS}
    for query in QUERIES:
        result[query] = engine.rows(found[("any", query)])
    # A file is named below the logs, wherever they are, and what a query computes is a number, decimal or not.
    text = json.dumps(result, default=float, ensure_ascii=False)
    print(re.sub(r'"(file:/*)?' + re.escape(logs) + "/", '"', text))


main()
