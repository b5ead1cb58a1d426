-- Events by day and type; an event counts once, however often it was inserted.
-- {org:String} {product:String} (empty: all) {from:Date} {to:Date} (exclusive)
SELECT day, event_type, count() AS events
FROM (
    SELECT day, event_type, event_id, occurred_at
    FROM events_raw FINAL
    WHERE org_id = {org:String} AND ({product:String} = '' OR product_id = {product:String})
      AND day >= {from:Date} AND day < {to:Date}
    -- Until the processor has struck one of them out, an id that was used twice is one event: the earlier one.
    ORDER BY occurred_at
    LIMIT 1 BY event_id
)
GROUP BY day, event_type
ORDER BY day, event_type;
