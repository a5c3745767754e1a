-- A batch of messages in one round trip. Each statement of such a function has a snapshot of its own (READ COMMITTED,
-- VOLATILE), so that what follows the lock sees all that was committed before it.

-- Locks mailboxes until the transaction ends; in one order everywhere, so that no two writers wait for each other.
CREATE FUNCTION "mailbox_lock"("tenants" text[], "devices" text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM mailbox
    WHERE (tenant_id, device_id) IN (SELECT * FROM unnest(tenants, devices))
    ORDER BY tenant_id, device_id FOR UPDATE;
END $$;

-- Stores different copies, in order: the next cursors of their mailboxes, and their counters. "sealed" is all envelopes one
-- behind the other, "sizes" says how many bytes each has. One row for each copy, in order: "found" is whether it has a
-- mailbox; "position" is where it lies, null where it was discarded; "is_new" is false when it was there already.
-- No row at all: a quota may be exceeded. Nothing was done then, and who asked looks at each copy.
CREATE FUNCTION "mailbox_append"("tenants" text[], "devices" text[], "sender_users" text[], "sender_devices" text[],
    "messages" text[], "schemes" text[], "sizes" integer[], "sealed" bytea, "requests" boolean[], "discarded" boolean[],
    "at_time" timestamptz, "max_items" integer, "max_bytes" bigint)
  RETURNS TABLE ("found" boolean, "position" bigint, "is_new" boolean, "since" timestamptz, "request" boolean)
  LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  PERFORM mailbox_lock(tenants, devices);
  IF EXISTS (
    SELECT FROM (SELECT t, d, count(*) AS items, sum(size) AS bytes FROM unnest(tenants, devices, sizes) AS u(t, d, size)
                  GROUP BY t, d) AS more
      JOIN mailbox m ON m.tenant_id = t AND m.device_id = d
     WHERE m.item_count + items > max_items OR m.byte_count + bytes > max_bytes) THEN
    RETURN;
  END IF;
  RETURN QUERY
  WITH named AS (
    SELECT u.*, sum(size) OVER (ORDER BY at) - size AS skip
      FROM unnest(tenants, devices, sender_users, sender_devices, messages, schemes, sizes, requests, discarded)
           WITH ORDINALITY AS u(t, d, su, sd, m, scheme, size, is_request, is_discarded, at)),
  known AS (
    SELECT n.*, box.last_cursor AS base, c.cursor AS old_cursor, c.stored_at AS old_time, c.is_request AS old_request,
           box.device_id IS NOT NULL AND NOT is_discarded AND c.cursor IS NULL AS is_fresh
      FROM named n
      LEFT JOIN mailbox box ON box.tenant_id = t AND box.device_id = d
      LEFT JOIN mailbox_copy c
        ON c.tenant_id = t AND c.device_id = d AND c.sender_device_id = sd AND c.message_id = m AND NOT is_discarded),
  placed AS (
    SELECT k.*, base + row_number() OVER (PARTITION BY t, d, is_fresh ORDER BY at) AS new_cursor FROM known k),
  stored AS (
    INSERT INTO mailbox_copy (tenant_id, device_id, cursor, sender_user_id, sender_device_id, message_id, scheme, sealed,
                              is_request, stored_at)
    SELECT t, d, new_cursor, su, sd, m, scheme, substring(sealed FROM skip::integer + 1 FOR size), is_request, at_time
      FROM placed WHERE is_fresh),
  -- Mailboxes are written even where nothing was placed: it takes as long.
  counted AS (
    UPDATE mailbox box SET last_cursor = last_cursor + items, item_count = item_count + items, byte_count = byte_count + bytes
      FROM (SELECT t, d, count(*) FILTER (WHERE is_fresh) AS items, coalesce(sum(size) FILTER (WHERE is_fresh), 0) AS bytes
              FROM placed WHERE base IS NOT NULL GROUP BY t, d) AS more
     WHERE box.tenant_id = t AND box.device_id = d)
  SELECT base IS NOT NULL, CASE WHEN is_fresh THEN new_cursor ELSE old_cursor END, is_fresh,
         coalesce(old_time, at_time), coalesce(old_request, is_request)
    FROM placed ORDER BY at;
END $$;

-- Deletes copies and says how many there were.
CREATE FUNCTION "mailbox_acknowledge"("tenants" text[], "devices" text[], "cursors" bigint[]) RETURNS bigint
  LANGUAGE plpgsql AS $$
DECLARE
  total bigint;
BEGIN
  PERFORM mailbox_lock(tenants, devices);
  WITH gone AS (
    DELETE FROM mailbox_copy c USING unnest(tenants, devices, cursors) AS named(t, d, place)
     WHERE c.tenant_id = t AND c.device_id = d AND c.cursor = place
    RETURNING c.tenant_id, c.device_id, octet_length(c.sealed) AS bytes),
  freed AS (
    UPDATE mailbox m SET item_count = m.item_count - g.items, byte_count = m.byte_count - g.bytes
      FROM (SELECT tenant_id, device_id, count(*) AS items, sum(bytes) AS bytes FROM gone GROUP BY 1, 2) AS g
     WHERE m.tenant_id = g.tenant_id AND m.device_id = g.device_id)
  SELECT count(*) INTO total FROM gone;
  RETURN total;
END $$;

-- Every batch writes the counters of its mailboxes: with room on the page the new version stays there, and no index changes.
ALTER TABLE "mailbox" SET (fillfactor = 50);
