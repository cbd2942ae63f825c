-- The stock of this hospital, one row per product and place: a sample for `select` in node.toml. One SELECT and
-- nothing else stands here; what needs more goes into a view in the database.
SELECT v.zi_nummer,
       sum(v.aantal) AS voorraad,
       v.locatie,
       (v.geteld_op AT TIME ZONE 'Europe/Amsterdam')::date AS peildatum
FROM apotheek.voorraad AS v
WHERE v.geteld_op >= date_trunc('day', now())
GROUP BY v.zi_nummer, v.locatie, peildatum;
