"""Asks an engine statements over a file of events: reads {engine, events, statements} as JSON, writes a JSON list of answers,
each {"rows": [[...]]} or {"error": text}. Engines: clickhouse (chdb), spark (pyspark), and bigquery, snowflake, databricks,
trino: their text, read in their dialect by sqlglot, and run on DuckDB."""

import json
import sys

ZERO = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split()
THREE = "BHD IQD JOD KWD LYD OMR TND".split()
COLUMNS = {
    "type": "text", "id": "text", "project": "text", "config_revision": "text", "seen_at": "text", "anonymous_id": "text",
    "user_id": "text", "session_id": "text", "experiment_id": "text", "iteration": "int", "variant": "text", "unit": "text",
    "exposed_at": "text", "device": "text", "country": "text", "region": "text", "browser": "text", "referrer_host": "text",
    "visitor_type": "text", "logged_in": "text", "fallback": "text", "versions": "text", "conversion_event": "text",
    "value": "long", "currency": "text", "transaction_id": "text", "refund_of": "text", "converted_at": "text",
    "channel": "text", "properties": "text",
}


def rows_of(path):
    """The columns of the table of events (docs/warehouse.md)."""
    for line in open(path, encoding="utf8"):
        event = json.loads(line)
        view = event.get("request") or {}
        currency, value = event.get("currency"), event.get("value")
        if value is not None:
            value = round(value * (1 if currency in ZERO else 1000 if currency in THREE else 100))
        row = {name: event.get(name) for name in COLUMNS}
        row |= {"seen_at": event["at"], "unit": event.get("unit", "visitor"), "value": value}
        for name in ("device", "country", "region", "browser", "referrer_host", "visitor_type"):
            row[name] = view.get(name)
        known = view.get("logged_in")
        row["logged_in"] = None if known is None else ("true" if known else "false")
        row["fallback"] = "true" if event.get("fallback") else None
        for name in ("versions", "properties"):
            row[name] = None if event.get(name) is None else json.dumps(event[name])
        yield row


def text(value):
    return value if value is None or isinstance(value, str) else str(value)


def clickhouse(path, statements):
    from chdb import session
    one = session.Session()
    one.query("CREATE DATABASE shop ENGINE = Atomic")
    one.query("USE shop")
    types = {"text": "Nullable(String)", "int": "Nullable(Int32)", "long": "Nullable(Int64)"}
    columns = ", ".join(f"{name} {types[kind]}" for name, kind in COLUMNS.items())
    one.query(f"CREATE TABLE events ({columns}) ENGINE = MergeTree ORDER BY tuple()")
    lines = "\n".join(json.dumps(row) for row in rows_of(path))
    file = f"{path}.rows"
    open(file, "w", encoding="utf8").write(lines)
    one.query(f"INSERT INTO events SELECT * FROM file('{file}', 'JSONEachRow')")

    def ask(sql):
        answer = str(one.query(sql, "JSONCompact"))
        return [[text(value) for value in row] for row in json.loads(answer)["data"]]
    return ask


def duckdb_table(path):
    import duckdb
    database = duckdb.connect()
    types = {"text": "VARCHAR", "int": "INTEGER", "long": "BIGINT"}
    file = f"{path}.rows"
    open(file, "w", encoding="utf8").write("\n".join(json.dumps(row) for row in rows_of(path)))
    columns = ", ".join(f"'{name}': '{types[kind]}'" for name, kind in COLUMNS.items())
    database.execute(f"CREATE TABLE events AS SELECT * FROM read_ndjson('{file}', columns = {{{columns}}})")
    return database


def translated(dialect):
    def engine(path, statements):
        import sqlglot
        database = duckdb_table(path)

        def ask(sql):
            (parsed,) = sqlglot.parse(sql, read=dialect)
            return [[text(value) for value in row] for row in database.execute(parsed.sql(dialect="duckdb")).fetchall()]
        return ask
    return engine


def spark(path, statements):
    from pyspark.sql import SparkSession
    from pyspark.sql.types import IntegerType, LongType, StringType, StructField, StructType
    session = (SparkSession.builder.master("local[2]").appName("sortition").config("spark.ui.enabled", "false")
               .config("spark.sql.shuffle.partitions", "2").config("spark.sql.session.timeZone", "UTC").getOrCreate())
    session.sparkContext.setLogLevel("ERROR")
    types = {"text": StringType(), "int": IntegerType(), "long": LongType()}
    schema = StructType([StructField(name, types[kind]) for name, kind in COLUMNS.items()])
    rows = [tuple(row[name] for name in COLUMNS) for row in rows_of(path)]
    session.createDataFrame(rows, schema).repartition(2).cache().createOrReplaceTempView("events")
    return lambda sql: [[text(value) for value in row] for row in session.sql(sql).collect()]


ENGINES = {"clickhouse": clickhouse, "spark": spark, **{name: translated(name) for name in
           ("bigquery", "snowflake", "databricks", "trino")}}


def main():
    question = json.load(sys.stdin)
    ask = ENGINES[question["engine"]](question["events"], question["statements"])
    answers = []
    for sql in question["statements"]:
        try:
            answers.append({"rows": ask(sql)})
        except Exception as error:
            answers.append({"error": str(error)[:2000]})
    with open(question["answers"], "w", encoding="utf8") as out:
        json.dump(answers, out)


main()
