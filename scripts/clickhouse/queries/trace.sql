-- What each pillar caused and prevented: pillars of at least 5 actors.
-- {org:String} {product:String} (empty: all) {from:Date} {to:Date} (exclusive)
SELECT
    pillar,
    count() AS sessions,
    sum(p.caused) AS caused,
    sum(p.prevented) AS prevented,
    prevented - caused AS net_impact
FROM fact_pillars AS p
WHERE org_id = {org:String} AND ({product:String} = '' OR product_id = {product:String})
  AND day >= {from:Date} AND day < {to:Date}
GROUP BY pillar
HAVING uniqExact(actor_slot) >= 5
ORDER BY pillar;
