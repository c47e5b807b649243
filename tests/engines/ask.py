"""Asks an engine statements over a file of events: reads {engine, events, statements} as JSON, writes a JSON list of answers,
each {"rows": [[...]]} or {"error": text}. Engines: clickhouse (chdb), spark (pyspark), and bigquery, snowflake, databricks,
trino: their text, read in their dialect by sqlglot, carried over to DuckDB's words, and run there."""

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


# What sqlglot does not carry over from an engine's functions to DuckDB's.
MACROS = """
CREATE MACRO kind_of(j, text, truth, nothing, list, map, number) AS CASE json_type(j) WHEN 'VARCHAR' THEN text
  WHEN 'BOOLEAN' THEN truth WHEN 'NULL' THEN nothing WHEN 'ARRAY' THEN list WHEN 'OBJECT' THEN map
  ELSE CASE WHEN json_type(j) IS NOT NULL THEN number END END;
CREATE MACRO bigquery_type(j) AS kind_of(j, 'string', 'boolean', 'null', 'array', 'object', 'number');
CREATE MACRO snowflake_type(j) AS kind_of(j, 'VARCHAR', 'BOOLEAN', 'NULL_VALUE', 'ARRAY', 'OBJECT', 'DECIMAL');
CREATE MACRO schema_of_variant(j) AS kind_of(j, 'STRING', 'BOOLEAN', 'VOID', 'ARRAY<VARIANT>', 'OBJECT<x: VARIANT>', 'DOUBLE');
CREATE MACRO lax_string(j) AS j ->> '$';
CREATE MACRO to_timestamp_tz(x) AS CAST(x AS TIMESTAMPTZ);
"""
# The columns that the entries of a JSON object have, as each engine calls them.
ENTRIES = {
    "bigquery": "e.key AS v", "snowflake": "e.key AS key, e.value ->> '$' AS value",
    "databricks": "e.key AS name, e.value ->> '$' AS part", "trino": "e.key AS name, e.value ->> '$' AS part",
}


def carried(tree, dialect):
    """A statement of a dialect with what sqlglot leaves as it is written in DuckDB's words: the entries of a JSON object as
    rows, the types of JSON values, and values of a type out of JSON."""
    from sqlglot import exp, parse_one

    def duckdb(sql, **parts):
        return exp.replace_placeholders(parse_one(sql, read="duckdb"), **parts)

    def changed(node):
        if isinstance(node, exp.Join) and isinstance(node.this, (exp.Unnest, exp.Lateral)):
            (json_text,) = node.find_all(exp.Coalesce)
            sql = f"SELECT 1 FROM a CROSS JOIN LATERAL (SELECT {ENTRIES[dialect]} FROM json_each(:json) AS e) AS v"
            return duckdb(sql, json=json_text.copy()).args["joins"][0]
        if dialect == "bigquery" and isinstance(node, exp.JSONType):
            return exp.func("bigquery_type", node.this)
        if dialect == "bigquery" and isinstance(node, exp.IntDiv):
            # why: sqlglot drops the brackets that `DIV(a - b, c)` needs as an operator
            return exp.IntDiv(this=exp.paren(node.this), expression=exp.paren(node.expression))
        if dialect == "trino" and isinstance(node, exp.Div):
            # why: Trino divides whole numbers to whole numbers, and sqlglot does not know the columns' types
            return exp.IntDiv(this=node.this, expression=node.expression)
        if dialect == "snowflake" and isinstance(node, exp.Typeof):
            return exp.func("snowflake_type", node.this)
        if isinstance(node, exp.Bracket):
            path = duckdb("'$.\"' || :name || '\"'", name=node.expressions[0])
            return exp.func("json_extract", node.this, path)
        if isinstance(node, exp.Anonymous) and node.name.lower() == "try_variant_get":
            value, path, kind = node.expressions
            # why: DuckDB writes the names of a path behind points
            path = exp.Literal.string(path.name.replace('["', '."').replace('"]', '"'))
            if kind.name == "variant":
                return duckdb("json_extract(:value, :path)", value=value, path=path)
            sql = f"TRY_CAST(json_extract_string(:value, :path) AS {kind.name})"
            return duckdb(sql.replace("AS string", "AS VARCHAR"), value=value, path=path)
        if isinstance(node, exp.Cast) and isinstance(node.this, exp.JSONExtract) and node.is_type("text", "varchar"):
            return exp.JSONExtractScalar(this=node.this.this, expression=node.this.expression)
        return node
    return tree.transform(changed)


def translated(dialect):
    def engine(path, statements):
        import sqlglot
        database = duckdb_table(path)
        database.execute(MACROS)

        def ask(sql):
            (parsed,) = sqlglot.parse(sql, read=dialect)
            carried_over = carried(parsed, dialect).sql(dialect="duckdb")
            return [[text(value) for value in row] for row in database.execute(carried_over).fetchall()]
        return ask
    return engine


def spark(path, statements):
    from pyspark.sql import SparkSession
    from pyspark.sql.types import IntegerType, LongType, StringType, StructField, StructType
    # why: the day is small and the statements are wide, so that nearly all of the time goes into plans. Constraints are
    # propagated anew for each of the many columns that are a CASE, plans are written out as text for a page that nobody looks
    # at, each plan becomes Java that is compiled to run once; and two hundred partitions are two hundred tasks a shuffle.
    settings = {
        "spark.ui.enabled": "false", "spark.sql.session.timeZone": "UTC", "spark.driver.memory": "4g",
        "spark.sql.shuffle.partitions": "1", "spark.sql.adaptive.enabled": "false",
        "spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.constraintPropagation.enabled": "false", "spark.sql.maxPlanStringLength": "0",
    }
    builder = SparkSession.builder.master("local[1]").appName("sortition")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    types = {"text": StringType(), "int": IntegerType(), "long": LongType()}
    schema = StructType([StructField(name, types[kind]) for name, kind in COLUMNS.items()])
    rows = [tuple(row[name] for name in COLUMNS) for row in rows_of(path)]
    session.createDataFrame(rows, schema).coalesce(1).cache().createOrReplaceTempView("events")
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
