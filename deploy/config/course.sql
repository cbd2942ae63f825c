-- course: one row per patient, drug code and stay, and without a stay per patient and code, made of the
-- administrations, admissions and results of one snapshot. The agent runs this file as it stands and keeps the rows;
-- numbers are whole numbers of 10^-6. It needs the administrations; admissions and results are used where they are.
--
-- * A course is a run of administrations of one patient, code and stay in the order of their days. More than 3 days
--   from one to the next end it. The first course of a stay is the row; days counts its first and its last day.
-- * route, ward and age are those of the first day. Of two routes on that day one that is not oral is taken, and of two
--   of these, or of two wards, the first by name.
-- * switched_on_day is the day, the first being 0, of the first administration by route oral in the course, where the
--   route of the first day is known and not oral.
-- * event is 1 where the same patient was given the same code again, in whatever stay, more than 3 days after the last
--   day of the course; event_day is then the days from the start to that day. Else event is 0 and event_day the days
--   from the start to the end of what was seen: the last day of that patient in any of the three extracts.
-- * bed_days counts the days of the stay, those of admission and discharge too; of several rows of a stay the first day
--   and the last. It is absent without an admission, without a discharge in any of its rows and where the last is
--   before the admission.
-- * indication is known by what was given beside it, on a day of the course and under another code, where the codes are
--   ATC: the first of M01A, B01 and H02AB that was; absent when none was.

CREATE TEMP VIEW made_course AS
WITH given AS (
    SELECT person, code, stay, route, ward, age, unixepoch("at") / 86400 AS day FROM administration
),
spaced AS (
    SELECT *,
        -- What comes again is looked for in all stays, what belongs together in one.
        FIRST_VALUE(day) OVER (
            PARTITION BY person, code ORDER BY day RANGE BETWEEN 4 FOLLOWING AND UNBOUNDED FOLLOWING
        ) AS again,
        coalesce(LEAD(day) OVER of_stay - day > 3, TRUE) AS ends,
        MIN(day) OVER of_stay AS start
    FROM given
    WINDOW of_stay AS (PARTITION BY person, code, stay ORDER BY day)
),
first AS (
    -- The first end is that of the first course; what comes again behind a later end comes later, or never (1 << 40).
    SELECT person, code, stay, MIN(day) AS start, MIN(iif(ends, day, NULL)) AS last,
        nullif(MIN(iif(ends, coalesce(again, 1 << 40), NULL)), 1 << 40) AS again,
        coalesce(
            MIN(iif(day = start AND route <> 'oral', route, NULL)),
            MIN(iif(day = start, route, NULL))
        ) AS route,
        MIN(iif(route = 'oral', day, NULL)) AS oral,
        MIN(iif(day = start, ward, NULL)) AS ward,
        MIN(iif(day = start, age, NULL)) AS age
    FROM spaced
    GROUP BY person, code, stay
),
seen AS (
    SELECT person, MAX(day) AS until
    FROM (
        SELECT person, day FROM given
        UNION ALL
        SELECT person, unixepoch(max("from", coalesce("to", "from"))) / 86400 FROM admission
        UNION ALL
        SELECT person, unixepoch("at") / 86400 FROM result
    )
    GROUP BY person
),
stays AS (
    SELECT person, stay,
        iif(
            COUNT(*) = COUNT("to") AND MAX("to") >= MIN("from"),
            (unixepoch(MAX("to")) - unixepoch(MIN("from"))) / 86400 + 1,
            NULL
        ) AS bed_days
    FROM admission
    GROUP BY person, stay
),
beside AS (
    SELECT DISTINCT person, code, day,
        CASE WHEN code GLOB 'M01A*' THEN 1 WHEN code GLOB 'B01*' THEN 2 ELSE 3 END AS place
    FROM given
    WHERE code GLOB 'M01A*' OR code GLOB 'B01*' OR code GLOB 'H02AB*'
)
SELECT f.person, f.code, f.stay, date(f.start * 86400, 'unixepoch') AS start, (f.last - f.start + 1) * 1000000 AS days,
    iif(f.route <> 'oral' AND f.oral <= f.last, (f.oral - f.start) * 1000000, NULL) AS switched_on_day,
    f.route, f.ward, f.age,
    CASE MIN(b.place) WHEN 1 THEN 'M01A' WHEN 2 THEN 'B01' WHEN 3 THEN 'H02AB' END AS indication,
    s.bed_days * 1000000 AS bed_days,
    iif(f.again IS NULL, 0, 1000000) AS event,
    (coalesce(f.again, u.until) - f.start) * 1000000 AS event_day
FROM first AS f
JOIN seen AS u ON u.person = f.person
LEFT JOIN stays AS s ON s.person = f.person AND s.stay = f.stay
LEFT JOIN beside AS b
    ON b.person = f.person AND b.code <> f.code AND b.day BETWEEN f.start AND f.last
GROUP BY f.person, f.code, f.stay;
