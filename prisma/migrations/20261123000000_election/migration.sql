-- Who is active and who owns which slot: one row, changed by compare-and-set of its epoch; and why it became so.

-- CreateTable
CREATE TABLE "roster" (
    "name" TEXT NOT NULL,
    "epoch" BIGINT NOT NULL,
    "coordinator" TEXT NOT NULL,
    "written_at" TIMESTAMPTZ(3) NOT NULL,
    "seats" JSONB NOT NULL,
    "owners" BYTEA NOT NULL,
    "slot_epochs" BYTEA NOT NULL,

    CONSTRAINT "roster_pkey" PRIMARY KEY ("name")
);

-- CreateTable
CREATE TABLE "election_decision" (
    "id" BIGSERIAL NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "epoch" BIGINT NOT NULL,
    "coordinator" TEXT NOT NULL,
    "action" TEXT NOT NULL,
    "node_id" TEXT NOT NULL,
    "region" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "score" DOUBLE PRECISION,
    "terms" JSONB,
    "detail" TEXT NOT NULL,
    "moved_slots" INTEGER NOT NULL,

    CONSTRAINT "election_decision_pkey" PRIMARY KEY ("id")
);
