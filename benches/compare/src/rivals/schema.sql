CREATE TABLE stock (sku text PRIMARY KEY, free bigint NOT NULL CHECK (free >= 0)) WITH (fillfactor = 10);
CREATE TABLE orders (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  sku text NOT NULL,
  buyer text NOT NULL,
  key text NOT NULL,
  state text NOT NULL DEFAULT 'held',
  at timestamptz NOT NULL DEFAULT now(),
  -- The buyer first: a SKU has many orders, a buyer few, and plans should know.
  UNIQUE (buyer, sku)
);

-- One reservation. The stock's row is locked last, for as short a time as can be.
CREATE FUNCTION reserve(p_sku text, p_buyer text, p_key text, OUT outcome text, OUT id bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  INSERT INTO orders (sku, buyer, key) VALUES (p_sku, p_buyer, p_key)
    ON CONFLICT (buyer, sku) DO NOTHING RETURNING orders.id INTO id;
  IF NOT FOUND THEN
    SELECT CASE WHEN o.key = p_key THEN 'repeat' ELSE 'limit' END, o.id INTO outcome, id
      FROM orders o WHERE o.sku = p_sku AND o.buyer = p_buyer;
    RETURN;
  END IF;
  UPDATE stock SET free = free - 1 WHERE sku = p_sku AND free > 0;
  IF NOT FOUND THEN
    DELETE FROM orders o WHERE o.sku = p_sku AND o.buyer = p_buyer;
    outcome := 'sold_out';
    id := NULL;
    RETURN;
  END IF;
  outcome := 'held';
END $$;

-- Many reservations of one SKU, in their order: one transaction, one statement, one sync.
CREATE FUNCTION reserve_many(p_sku text, p_buyers text[], p_keys text[])
RETURNS TABLE (place bigint, outcome text, id bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_free bigint;
BEGIN
  SELECT s.free INTO v_free FROM stock s WHERE s.sku = p_sku FOR UPDATE;
  RETURN QUERY
  WITH asked AS (
    SELECT u.place, u.buyer, u.key, o.id AS old_id, o.key AS old_key,
           row_number() OVER (PARTITION BY u.buyer ORDER BY u.place) AS turn
    FROM unnest(p_buyers, p_keys) WITH ORDINALITY AS u (buyer, key, place)
    LEFT JOIN orders o ON o.sku = p_sku AND o.buyer = u.buyer
  ), fresh AS (
    INSERT INTO orders (sku, buyer, key)
    SELECT p_sku, a.buyer, a.key FROM asked a
    WHERE a.turn = 1 AND a.old_id IS NULL ORDER BY a.place LIMIT coalesce(v_free, 0)
    RETURNING orders.id, orders.buyer, orders.key
  ), taken AS (
    UPDATE stock s SET free = s.free - (SELECT count(*) FROM fresh)
    WHERE s.sku = p_sku AND EXISTS (SELECT 1 FROM fresh)
  )
  SELECT a.place,
    CASE
      WHEN a.old_id IS NOT NULL THEN CASE WHEN a.old_key = a.key THEN 'repeat' ELSE 'limit' END
      WHEN f.id IS NULL THEN 'sold_out'
      WHEN a.turn = 1 THEN 'held'
      WHEN f.key = a.key THEN 'repeat'
      ELSE 'limit'
    END,
    coalesce(a.old_id, f.id)
  FROM asked a LEFT JOIN fresh f ON f.buyer = a.buyer;
END $$;
