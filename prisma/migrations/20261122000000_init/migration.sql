-- The first schema. Prisma's engine wrote the statements up to the last section; a test compares them with
-- prisma/schema.prisma. "handle_folded" has the collation "C", so that its unique index also serves prefix search.

-- CreateEnum
CREATE TYPE "account_status" AS ENUM ('active', 'suspended', 'deleted');

-- CreateEnum
CREATE TYPE "chosen_presence" AS ENUM ('online', 'away', 'busy', 'invisible');

-- CreateEnum
CREATE TYPE "presence_state" AS ENUM ('online', 'away', 'busy', 'invisible', 'offline');

-- CreateEnum
CREATE TYPE "device_state" AS ENUM ('active', 'removed');

-- CreateEnum
CREATE TYPE "contact_state" AS ENUM ('pending_out', 'pending_in', 'accepted', 'blocked');

-- CreateEnum
CREATE TYPE "call_direction" AS ENUM ('outgoing', 'incoming');

-- CreateEnum
CREATE TYPE "call_outcome" AS ENUM ('completed', 'missed', 'rejected', 'busy', 'cancelled', 'failed');

-- CreateTable
CREATE TABLE "tenant" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "turn_secret" TEXT NOT NULL,
    "api_secret" TEXT,
    "jwks_url" TEXT,
    "token_issuer" TEXT,
    "token_audience" TEXT,
    "open_registration" BOOLEAN NOT NULL DEFAULT true,
    "presence_retention_days" INTEGER NOT NULL DEFAULT 30,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "tenant_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "cluster_setting" (
    "key" TEXT NOT NULL,
    "value" JSONB NOT NULL,
    "version" INTEGER NOT NULL DEFAULT 1,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "cluster_setting_pkey" PRIMARY KEY ("key")
);

-- CreateTable
CREATE TABLE "cluster_key" (
    "purpose" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "secret" BYTEA NOT NULL,
    "public_key" BYTEA,
    "not_before" TIMESTAMPTZ(3) NOT NULL,
    "not_after" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "cluster_key_pkey" PRIMARY KEY ("purpose","version")
);

-- CreateTable
CREATE TABLE "user_account" (
    "tenant_id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "handle" TEXT,
    "handle_folded" TEXT COLLATE "C",
    "display_name" TEXT,
    "discoverable" BOOLEAN NOT NULL DEFAULT false,
    "status" "account_status" NOT NULL DEFAULT 'active',
    "chosen_presence" "chosen_presence" NOT NULL DEFAULT 'online',
    "status_text" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_seen_at" TIMESTAMPTZ(3),

    CONSTRAINT "user_account_pkey" PRIMARY KEY ("tenant_id","user_id")
);

-- CreateTable
CREATE TABLE "device" (
    "tenant_id" TEXT NOT NULL,
    "device_id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "public_key" BYTEA NOT NULL,
    "name" TEXT,
    "state" "device_state" NOT NULL DEFAULT 'active',
    "first_seen_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_seen_at" TIMESTAMPTZ(3),
    "removed_at" TIMESTAMPTZ(3),

    CONSTRAINT "device_pkey" PRIMARY KEY ("tenant_id","device_id")
);

-- CreateTable
CREATE TABLE "device_list" (
    "tenant_id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "payload" BYTEA NOT NULL,
    "signature" BYTEA NOT NULL,
    "signer_key" BYTEA NOT NULL,
    "signer_device_id" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "device_list_pkey" PRIMARY KEY ("tenant_id","user_id","version")
);

-- CreateTable
CREATE TABLE "mailbox" (
    "tenant_id" TEXT NOT NULL,
    "device_id" TEXT NOT NULL,
    "last_cursor" BIGINT NOT NULL DEFAULT 0,
    "dropped_through" BIGINT NOT NULL DEFAULT 0,
    "item_count" INTEGER NOT NULL DEFAULT 0,
    "byte_count" BIGINT NOT NULL DEFAULT 0,

    CONSTRAINT "mailbox_pkey" PRIMARY KEY ("tenant_id","device_id")
);

-- CreateTable
CREATE TABLE "mailbox_copy" (
    "tenant_id" TEXT NOT NULL,
    "device_id" TEXT NOT NULL,
    "cursor" BIGINT NOT NULL,
    "sender_user_id" TEXT NOT NULL,
    "sender_device_id" TEXT NOT NULL,
    "message_id" TEXT NOT NULL,
    "scheme" TEXT NOT NULL,
    "sealed" BYTEA NOT NULL,
    "is_request" BOOLEAN NOT NULL,
    "stored_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "mailbox_copy_pkey" PRIMARY KEY ("tenant_id","device_id","cursor")
);

-- CreateTable
CREATE TABLE "contact" (
    "tenant_id" TEXT NOT NULL,
    "owner_id" TEXT NOT NULL,
    "peer_id" TEXT NOT NULL,
    "state" "contact_state" NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "accepted_at" TIMESTAMPTZ(3),

    CONSTRAINT "contact_pkey" PRIMARY KEY ("tenant_id","owner_id","peer_id")
);

-- CreateTable
CREATE TABLE "call_record" (
    "tenant_id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "session_id" TEXT NOT NULL,
    "cursor" BIGINT NOT NULL,
    "peer_id" TEXT NOT NULL,
    "direction" "call_direction" NOT NULL,
    "media" TEXT[],
    "caller_device_id" TEXT NOT NULL,
    "answered_by" TEXT,
    "started_at" TIMESTAMPTZ(3) NOT NULL,
    "answered_at" TIMESTAMPTZ(3),
    "ended_at" TIMESTAMPTZ(3),
    "outcome" "call_outcome",

    CONSTRAINT "call_record_pkey" PRIMARY KEY ("tenant_id","user_id","session_id")
);

-- CreateTable
CREATE TABLE "token_binding" (
    "tenant_id" TEXT NOT NULL,
    "token_hash" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "device_key" BYTEA NOT NULL,
    "bound_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "token_binding_pkey" PRIMARY KEY ("tenant_id","token_hash")
);

-- CreateTable
CREATE TABLE "presence_transition" (
    "tenant_id" TEXT NOT NULL,
    "id" BIGSERIAL NOT NULL,
    "user_id" TEXT NOT NULL,
    "device_id" TEXT,
    "from_state" "presence_state" NOT NULL,
    "to_state" "presence_state" NOT NULL,
    "cause" TEXT NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "presence_transition_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateTable
CREATE TABLE "admin_key" (
    "tenant_id" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "key_hash" BYTEA NOT NULL,
    "scopes" TEXT[],
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3),
    "revoked_at" TIMESTAMPTZ(3),
    "last_used_at" TIMESTAMPTZ(3),

    CONSTRAINT "admin_key_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateTable
CREATE TABLE "audit_entry" (
    "tenant_id" TEXT NOT NULL,
    "id" BIGSERIAL NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "actor" TEXT NOT NULL,
    "action" TEXT NOT NULL,
    "target" TEXT NOT NULL,
    "outcome" TEXT NOT NULL,
    "detail" JSONB,
    "trace_id" TEXT,

    CONSTRAINT "audit_entry_pkey" PRIMARY KEY ("tenant_id","id")
);

-- CreateIndex
CREATE UNIQUE INDEX "user_account_tenant_id_handle_folded_key" ON "user_account"("tenant_id", "handle_folded");

-- CreateIndex
CREATE INDEX "device_tenant_id_user_id_idx" ON "device"("tenant_id", "user_id");

-- CreateIndex
CREATE UNIQUE INDEX "mailbox_copy_tenant_id_device_id_sender_device_id_message_i_key" ON "mailbox_copy"("tenant_id", "device_id", "sender_device_id", "message_id");

-- CreateIndex
CREATE INDEX "contact_tenant_id_peer_id_state_idx" ON "contact"("tenant_id", "peer_id", "state");

-- CreateIndex
CREATE UNIQUE INDEX "call_record_tenant_id_user_id_cursor_key" ON "call_record"("tenant_id", "user_id", "cursor");

-- CreateIndex
CREATE INDEX "token_binding_expires_at_idx" ON "token_binding"("expires_at");

-- CreateIndex
CREATE INDEX "presence_transition_tenant_id_user_id_at_idx" ON "presence_transition"("tenant_id", "user_id", "at");

-- CreateIndex
CREATE INDEX "presence_transition_tenant_id_at_idx" ON "presence_transition"("tenant_id", "at");

-- CreateIndex
CREATE UNIQUE INDEX "admin_key_key_hash_key" ON "admin_key"("key_hash");

-- CreateIndex
CREATE INDEX "audit_entry_tenant_id_at_idx" ON "audit_entry"("tenant_id", "at");

-- AddForeignKey
ALTER TABLE "user_account" ADD CONSTRAINT "user_account_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenant"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "device" ADD CONSTRAINT "device_tenant_id_user_id_fkey" FOREIGN KEY ("tenant_id", "user_id") REFERENCES "user_account"("tenant_id", "user_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "device_list" ADD CONSTRAINT "device_list_tenant_id_user_id_fkey" FOREIGN KEY ("tenant_id", "user_id") REFERENCES "user_account"("tenant_id", "user_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "mailbox" ADD CONSTRAINT "mailbox_tenant_id_device_id_fkey" FOREIGN KEY ("tenant_id", "device_id") REFERENCES "device"("tenant_id", "device_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "mailbox_copy" ADD CONSTRAINT "mailbox_copy_tenant_id_device_id_fkey" FOREIGN KEY ("tenant_id", "device_id") REFERENCES "mailbox"("tenant_id", "device_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "contact" ADD CONSTRAINT "contact_tenant_id_owner_id_fkey" FOREIGN KEY ("tenant_id", "owner_id") REFERENCES "user_account"("tenant_id", "user_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "contact" ADD CONSTRAINT "contact_tenant_id_peer_id_fkey" FOREIGN KEY ("tenant_id", "peer_id") REFERENCES "user_account"("tenant_id", "user_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "call_record" ADD CONSTRAINT "call_record_tenant_id_user_id_fkey" FOREIGN KEY ("tenant_id", "user_id") REFERENCES "user_account"("tenant_id", "user_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "token_binding" ADD CONSTRAINT "token_binding_tenant_id_user_id_fkey" FOREIGN KEY ("tenant_id", "user_id") REFERENCES "user_account"("tenant_id", "user_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "presence_transition" ADD CONSTRAINT "presence_transition_tenant_id_user_id_fkey" FOREIGN KEY ("tenant_id", "user_id") REFERENCES "user_account"("tenant_id", "user_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "admin_key" ADD CONSTRAINT "admin_key_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenant"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "audit_entry" ADD CONSTRAINT "audit_entry_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenant"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- What the Prisma schema cannot express.

ALTER TABLE "tenant" ADD CONSTRAINT "tenant_one_token_verifier"
  CHECK ("api_secret" IS NULL OR "jwks_url" IS NULL);
ALTER TABLE "tenant" ADD CONSTRAINT "tenant_retention_is_positive"
  CHECK ("presence_retention_days" >= 0);
ALTER TABLE "user_account" ADD CONSTRAINT "user_account_handle_is_whole"
  CHECK (("handle" IS NULL) = ("handle_folded" IS NULL));
ALTER TABLE "device_list" ADD CONSTRAINT "device_list_version_is_positive" CHECK ("version" > 0);
ALTER TABLE "contact" ADD CONSTRAINT "contact_is_with_another" CHECK ("owner_id" <> "peer_id");
ALTER TABLE "device" ADD CONSTRAINT "device_removal_has_a_time"
  CHECK (("state" = 'removed') = ("removed_at" IS NOT NULL));
ALTER TABLE "mailbox" ADD CONSTRAINT "mailbox_counts_are_whole"
  CHECK ("item_count" >= 0 AND "byte_count" >= 0 AND "dropped_through" <= "last_cursor");
ALTER TABLE "call_record" ADD CONSTRAINT "call_record_end_has_an_outcome"
  CHECK ("ended_at" IS NULL OR "outcome" IS NOT NULL);
ALTER TABLE "cluster_key" ADD CONSTRAINT "cluster_key_ends_after_it_starts"
  CHECK ("not_after" IS NULL OR "not_after" > "not_before");

-- Append-only tables, whatever role connects. A row leaves only with its user or tenant (cascade), or by retention,
-- which says so for its transaction: SET LOCAL parley.retention = 'on'.
CREATE FUNCTION "refuse_change"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' AND (pg_trigger_depth() > 1 OR current_setting('parley.retention', true) = 'on') THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER "audit_entry_append_only" BEFORE UPDATE OR DELETE ON "audit_entry"
  FOR EACH ROW EXECUTE FUNCTION "refuse_change"();
CREATE TRIGGER "device_list_append_only" BEFORE UPDATE OR DELETE ON "device_list"
  FOR EACH ROW EXECUTE FUNCTION "refuse_change"();

-- A device has a mailbox exactly as long as it is active; one that comes back, or changes its user, gets a new one.
CREATE FUNCTION "keep_mailbox"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF OLD.state = NEW.state AND OLD.user_id = NEW.user_id THEN
      RETURN NULL;
    END IF;
    DELETE FROM mailbox WHERE tenant_id = NEW.tenant_id AND device_id = NEW.device_id;
  END IF;
  IF NEW.state = 'active' THEN
    INSERT INTO mailbox (tenant_id, device_id) VALUES (NEW.tenant_id, NEW.device_id);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER "device_has_mailbox" AFTER INSERT OR UPDATE OF "state", "user_id" ON "device"
  FOR EACH ROW EXECUTE FUNCTION "keep_mailbox"();
