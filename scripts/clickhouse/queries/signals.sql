-- What the friction index is made of, the largest part first: signals that at least 5 actors saw.
-- {org:String} {product:String} (empty: all) {from:Date} {to:Date} (exclusive)
WITH (
    SELECT (count(), sum(friction_micro), uniqExact(actor_slot))
    FROM fact_sessions FINAL
    WHERE org_id = {org:String} AND ({product:String} = '' OR product_id = {product:String})
      AND day >= {from:Date} AND day < {to:Date} AND state = 'closed'
) AS everything
SELECT
    signal,
    count() AS sessions,
    sum(s.incidents) AS incidents,
    if(everything.3 >= 5, round(sum(s.friction_micro) / everything.1 / 1e6, 6), NULL) AS points,
    if(everything.3 >= 5 AND everything.2 > 0, round(points / round(everything.2 / everything.1 / 1e6, 6), 6), NULL) AS share
FROM fact_signals AS s
WHERE org_id = {org:String} AND ({product:String} = '' OR product_id = {product:String})
  AND day >= {from:Date} AND day < {to:Date}
GROUP BY signal
HAVING uniqExact(actor_slot) >= 5
ORDER BY points DESC, signal;
