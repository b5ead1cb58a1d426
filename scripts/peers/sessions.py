"""Sessions of a file of events by a window query: owner,start,end,events to OUT, times in ms.

    sessions.py duckdb|polars|pandas|clickhouse FILE OUT

The rule is ours: an owner is a product's session token, or an actor's where there is none; an id counts once, with its
smallest time; a pause of more than 30 minutes ends a session, one of exactly 30 minutes does not.
"""

import sys

GAP_MS = 30 * 60 * 1000


def duckdb(file, out):
    import duckdb

    duckdb.sql(f"""
        COPY (
            WITH events AS (
                SELECT orgId || '/' || productId || '/' || coalesce(sessionId, actorId) AS owner, eventId,
                       min(epoch_ms(occurredAt)) AS ms
                FROM read_json('{file}', format = 'newline_delimited', columns = {{
                    orgId: 'VARCHAR', productId: 'VARCHAR', sessionId: 'VARCHAR', actorId: 'VARCHAR',
                    eventId: 'VARCHAR', occurredAt: 'TIMESTAMP' }})
                WHERE coalesce(sessionId, actorId) IS NOT NULL
                GROUP BY ALL
            ), begins AS (
                SELECT owner, ms, coalesce(ms - lag(ms) OVER (PARTITION BY owner ORDER BY ms) > {GAP_MS}, true) AS begins
                FROM events
            ), numbered AS (
                SELECT owner, ms, sum(begins::int) OVER (PARTITION BY owner ORDER BY ms RANGE UNBOUNDED PRECEDING) AS session
                FROM begins
            )
            SELECT owner, min(ms), max(ms), count(*) FROM numbered GROUP BY owner, session
        ) TO '{out}' (HEADER false)
    """)


def clickhouse(file, out):
    import chdb

    chdb.query(f"""
        INSERT INTO FUNCTION file('{out}', 'CSV', 'owner String, first Int64, last Int64, events UInt64')
        WITH events AS (
            SELECT concat(orgId, '/', productId, '/', coalesce(sessionId, actorId)) AS owner, eventId,
                   min(toUnixTimestamp64Milli(occurredAt)) AS ms
            FROM file('{file}', 'JSONEachRow', 'orgId String, productId String, sessionId Nullable(String),
                actorId Nullable(String), eventId String, occurredAt DateTime64(3, \\'UTC\\')')
            WHERE coalesce(sessionId, actorId) IS NOT NULL
            GROUP BY owner, eventId
        ), begins AS (
            SELECT owner, ms, ms - lagInFrame(ms, 1, ms - {GAP_MS} - 1) OVER (
                PARTITION BY owner ORDER BY ms ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) > {GAP_MS} AS begins
            FROM events
        ), numbered AS (
            SELECT owner, ms, sum(begins) OVER (
                PARTITION BY owner ORDER BY ms RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS session
            FROM begins
        )
        SELECT assumeNotNull(owner), min(ms), max(ms), count() FROM numbered GROUP BY owner, session
        SETTINGS input_format_skip_unknown_fields = 1, date_time_input_format = 'best_effort',
            engine_file_truncate_on_insert = 1
    """)


def polars(file, out):
    import polars as pl

    owner = pl.concat_str("orgId", "productId", pl.coalesce("sessionId", "actorId"), separator="/").alias("owner")
    fields = ["orgId", "productId", "sessionId", "actorId", "eventId", "occurredAt"]
    at = pl.col("occurredAt").str.to_datetime("%Y-%m-%dT%H:%M:%S%.3fZ", time_unit="ms").dt.epoch("ms").alias("at")
    begins = (pl.col("at") - pl.col("at").shift(1).over("owner") > GAP_MS).fill_null(True)
    (
        pl.scan_ndjson(file, schema=dict.fromkeys(fields, pl.String))
        .select(owner, "eventId", at)
        .filter(pl.col("owner").is_not_null())
        .group_by("owner", "eventId").agg(pl.col("at").min())
        .sort("owner", "at")
        .with_columns(begins.cum_sum().over("owner").alias("session"))
        .group_by("owner", "session").agg(first=pl.col("at").min(), last=pl.col("at").max(), events=pl.len())
        .select("owner", "first", "last", "events")
        .collect()
        .write_csv(out, include_header=False)
    )


def pandas(file, out):
    import pandas as pd

    events = pd.read_json(file, lines=True, dtype=False)
    events = events.reindex(columns=["orgId", "productId", "sessionId", "actorId", "eventId", "occurredAt"])
    token = events["sessionId"].astype("str").fillna(events["actorId"])
    events = events[token.notna()]
    frame = pd.DataFrame({
        "owner": events["orgId"] + "/" + events["productId"] + "/" + token,
        "eventId": events["eventId"],
        "at": pd.to_datetime(events["occurredAt"], format="ISO8601").dt.as_unit("ms").astype("int64"),
    })
    frame = frame.sort_values(["owner", "at"], kind="stable").drop_duplicates(["owner", "eventId"])
    begins = ~(frame.groupby("owner")["at"].diff() <= GAP_MS)
    sessions = frame.groupby(["owner", begins.groupby(frame["owner"]).cumsum()])["at"].agg(["min", "max", "size"])
    sessions.droplevel(1).to_csv(out, header=False)


if __name__ == "__main__":
    engine, source, target = sys.argv[1:]
    {"duckdb": duckdb, "polars": polars, "pandas": pandas, "clickhouse": clickhouse}[engine](source, target)
