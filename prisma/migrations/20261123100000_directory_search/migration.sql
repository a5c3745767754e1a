-- Prefix search over the users who opted in, without reading all others: by handle, and by display name regardless of case.
-- Prisma's schema can say neither a condition nor an expression of an index.

CREATE INDEX "user_account_search_handle" ON "user_account" ("tenant_id", "handle_folded")
  WHERE "discoverable" AND "status" = 'active' AND "handle_folded" IS NOT NULL;

CREATE INDEX "user_account_search_name" ON "user_account" ("tenant_id", lower("display_name") COLLATE "C", "handle_folded")
  WHERE "discoverable" AND "status" = 'active' AND "handle_folded" IS NOT NULL AND "display_name" IS NOT NULL;
