-- position: one row per product code and unit, made of the stock, the use and the orders of one snapshot. The agent
-- runs this file as it stands and keeps the rows; amounts are whole numbers of 10^-6 of the unit.
--
-- * The reference date is the stock's as_of. It must be mapped; without it, or without a row of stock, there is no
--   position. So it is without one of the three extracts: what is not known must not look like 0.
-- * stock adds the rows of kind regular, ccv_stock those of kind ccv. Other kinds count in neither. Expiry dates are
--   not looked at.
-- * use_3m and use_12m add the use of the last 3 and the last 12 whole months, up to the month before that of the
--   reference date. A month without a row counts as 0.
-- * An order counts as due when it was ordered on the reference date or before and was not delivered by then: it has
--   no delivered date, or a later one. Without such a date, what has come already (delivered_quantity) is taken off;
--   more than was ordered is nothing due. A line below 0 is a correction and counts as it stands.
-- * Week 0 is the reference date and the 6 days behind it, and all that is overdue; due_12 ends with day 90; the rest
--   is due_later. Without an eta it is due_unknown, and in no week.
-- * A product has a row when it has stock of any kind, use in those 12 months or an order that counts.
-- * Amounts in two units are never added: a code with two units has two rows.

CREATE TEMP VIEW made_position AS
WITH reference (day, month) AS (
    SELECT MAX(as_of), date(MAX(as_of), 'start of month') FROM stock
),
part (code, unit, stock, ccv_stock, use_3m, use_12m, week, due) AS (
    SELECT code, unit, iif(kind = 'regular', quantity, 0), iif(kind = 'ccv', quantity, 0), 0, 0, NULL, 0
    FROM stock
    UNION ALL
    SELECT code, unit, 0, 0, iif(period >= date(month, '-3 months'), quantity, 0), quantity, NULL, 0
    FROM use CROSS JOIN reference
    WHERE period >= date(month, '-12 months') AND period < month
    UNION ALL
    SELECT code, unit, 0, 0, 0, 0,
        -- 13 is later, 14 unknown.
        CASE
            WHEN eta IS NULL THEN 14
            WHEN eta <= day THEN 0
            ELSE min(13, (unixepoch(eta) - unixepoch(day)) / 86400 / 7)
        END,
        CASE
            WHEN delivered IS NULL AND quantity > 0 THEN max(0, quantity - coalesce(delivered_quantity, 0))
            ELSE quantity
        END
    FROM orders CROSS JOIN reference
    WHERE ordered <= day AND (delivered IS NULL OR delivered > day)
)
SELECT code, unit, SUM(stock) AS stock, SUM(ccv_stock) AS ccv_stock, SUM(use_3m) AS use_3m, SUM(use_12m) AS use_12m,
    SUM(iif(week = 0, due, 0)) AS due_0,
    SUM(iif(week = 1, due, 0)) AS due_1,
    SUM(iif(week = 2, due, 0)) AS due_2,
    SUM(iif(week = 3, due, 0)) AS due_3,
    SUM(iif(week = 4, due, 0)) AS due_4,
    SUM(iif(week = 5, due, 0)) AS due_5,
    SUM(iif(week = 6, due, 0)) AS due_6,
    SUM(iif(week = 7, due, 0)) AS due_7,
    SUM(iif(week = 8, due, 0)) AS due_8,
    SUM(iif(week = 9, due, 0)) AS due_9,
    SUM(iif(week = 10, due, 0)) AS due_10,
    SUM(iif(week = 11, due, 0)) AS due_11,
    SUM(iif(week = 12, due, 0)) AS due_12,
    SUM(iif(week = 13, due, 0)) AS due_later,
    SUM(iif(week = 14, due, 0)) AS due_unknown
FROM part
GROUP BY code, unit;
