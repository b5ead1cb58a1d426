-- How tasks went, the most frequent first: tasks of at least 5 actors.
-- {org:String} {product:String} (empty: all) {from:Date} {to:Date} (exclusive)
SELECT
    task,
    count() AS sessions,
    sum(t.started) AS started,
    sum(t.completed) AS completed,
    sum(t.cancelled) AS cancelled,
    sum(t.abandoned) AS abandoned,
    if(started > 0, round(completed / started, 6), NULL) AS completion_rate
FROM fact_tasks AS t
WHERE org_id = {org:String} AND ({product:String} = '' OR product_id = {product:String})
  AND day >= {from:Date} AND day < {to:Date}
GROUP BY task
HAVING uniqExact(actor_slot) >= 5
ORDER BY started DESC, task
LIMIT 50;
