-- CreateTable
CREATE TABLE "Pool" (
    "name" TEXT NOT NULL PRIMARY KEY,
    "role" TEXT NOT NULL DEFAULT 'edge',
    "zone" TEXT NOT NULL,
    "types" TEXT NOT NULL DEFAULT '[]',
    "locations" TEXT NOT NULL DEFAULT '[]',
    "image" TEXT NOT NULL,
    "resurrect" BOOLEAN NOT NULL DEFAULT true,
    "nextIndex" INTEGER NOT NULL DEFAULT 1,
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
);

-- CreateTable
CREATE TABLE "Node" (
    "name" TEXT NOT NULL PRIMARY KEY,
    "poolName" TEXT NOT NULL,
    "zone" TEXT NOT NULL,
    "fqdn" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "reason" TEXT,
    "incarnation" INTEGER NOT NULL DEFAULT 1,
    "adopted" BOOLEAN NOT NULL DEFAULT false,
    "machineKey" TEXT,
    "machineId" TEXT,
    "machineType" TEXT,
    "machineLocation" TEXT,
    "monthlyPrice" REAL,
    "currency" TEXT,
    "ipv4" TEXT,
    "ipv6" TEXT,
    "sshPort" INTEGER,
    "sshUser" TEXT,
    "hostKey" TEXT,
    "enrolmentHash" TEXT,
    "agentKeyHash" TEXT,
    "lastSeq" INTEGER NOT NULL DEFAULT 0,
    "lastBeatAt" DATETIME,
    "readyAt" DATETIME,
    "deadAt" DATETIME,
    "drainingAt" DATETIME,
    "cpu" REAL,
    "mem" REAL,
    "rxBps" REAL,
    "txBps" REAL,
    "connections" INTEGER,
    "desiredVersion" TEXT,
    "configVersion" TEXT,
    "configError" TEXT,
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "Node_poolName_fkey" FOREIGN KEY ("poolName") REFERENCES "Pool" ("name") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "Run" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "workflow" TEXT NOT NULL,
    "input" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "groups" TEXT NOT NULL,
    "direction" TEXT NOT NULL DEFAULT 'do',
    "error" TEXT,
    "pool" TEXT,
    "actor" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "startedAt" DATETIME,
    "endedAt" DATETIME
);

-- CreateTable
CREATE TABLE "Step" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "runId" TEXT NOT NULL,
    "path" TEXT NOT NULL,
    "ordinal" INTEGER NOT NULL,
    "rank" INTEGER NOT NULL,
    "kind" TEXT NOT NULL,
    "job" TEXT NOT NULL,
    "queue" TEXT NOT NULL,
    "target" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "input" TEXT NOT NULL,
    "after" TEXT NOT NULL,
    "group" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "progress" REAL NOT NULL DEFAULT 0,
    "note" TEXT,
    "output" TEXT,
    "errorCode" TEXT,
    "errorText" TEXT,
    "lease" TEXT,
    "leaseUntil" REAL NOT NULL DEFAULT 0,
    "triedAt" REAL NOT NULL DEFAULT 0,
    "startedAt" DATETIME,
    "endedAt" DATETIME,
    "rev" INTEGER NOT NULL DEFAULT 0,
    CONSTRAINT "Step_runId_fkey" FOREIGN KEY ("runId") REFERENCES "Run" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "Claim" (
    "target" TEXT NOT NULL PRIMARY KEY,
    "runId" TEXT NOT NULL,
    CONSTRAINT "Claim_runId_fkey" FOREIGN KEY ("runId") REFERENCES "Run" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "Token" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "name" TEXT NOT NULL,
    "hash" TEXT NOT NULL,
    "scopes" TEXT NOT NULL,
    "expiresAt" DATETIME,
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "revokedAt" DATETIME
);

-- CreateTable
CREATE TABLE "Audit" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "at" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "actor" TEXT NOT NULL,
    "action" TEXT NOT NULL,
    "target" TEXT NOT NULL,
    "detail" TEXT NOT NULL DEFAULT '{}',
    "requestId" TEXT
);

-- CreateTable
CREATE TABLE "IdempotentRequest" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "bodyHash" TEXT NOT NULL,
    "status" INTEGER,
    "response" TEXT,
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
);

-- CreateTable
CREATE TABLE "Subscription" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "name" TEXT NOT NULL,
    "tokenHash" TEXT NOT NULL,
    "expiresAt" DATETIME,
    "enabled" BOOLEAN NOT NULL DEFAULT true,
    "expiredAt" DATETIME,
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
);

-- CreateTable
CREATE TABLE "Certificate" (
    "name" TEXT NOT NULL PRIMARY KEY,
    "csr" TEXT NOT NULL,
    "orderUrl" TEXT,
    "chain" TEXT,
    "notBefore" DATETIME,
    "notAfter" DATETIME
);

-- CreateTable
CREATE TABLE "Secret" (
    "name" TEXT NOT NULL PRIMARY KEY,
    "sealed" TEXT NOT NULL
);

-- CreateTable
CREATE TABLE "ConfigRevision" (
    "node" TEXT NOT NULL,
    "version" TEXT NOT NULL,
    "content" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,

    PRIMARY KEY ("node", "version")
);

-- CreateTable
CREATE TABLE "TerraformState" (
    "key" TEXT NOT NULL PRIMARY KEY,
    "sealed" TEXT,
    "lock" TEXT,
    "updatedAt" DATETIME NOT NULL
);

-- CreateTable
CREATE TABLE "Notification" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "once" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "text" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "sentAt" DATETIME
);

-- CreateIndex
CREATE UNIQUE INDEX "Node_fqdn_key" ON "Node"("fqdn");

-- CreateIndex
CREATE UNIQUE INDEX "Node_agentKeyHash_key" ON "Node"("agentKeyHash");

-- CreateIndex
CREATE INDEX "Node_poolName_name_idx" ON "Node"("poolName", "name");

-- CreateIndex
CREATE INDEX "Node_state_lastBeatAt_idx" ON "Node"("state", "lastBeatAt");

-- CreateIndex
CREATE INDEX "Run_status_idx" ON "Run"("status");

-- CreateIndex
CREATE INDEX "Run_pool_id_idx" ON "Run"("pool", "id");

-- CreateIndex
CREATE INDEX "Step_runId_rev_idx" ON "Step"("runId", "rev");

-- CreateIndex
CREATE INDEX "Step_key_leaseUntil_idx" ON "Step"("key", "leaseUntil");

-- CreateIndex
CREATE INDEX "Claim_runId_idx" ON "Claim"("runId");

-- CreateIndex
CREATE UNIQUE INDEX "Token_hash_key" ON "Token"("hash");

-- CreateIndex
CREATE UNIQUE INDEX "Subscription_tokenHash_key" ON "Subscription"("tokenHash");

-- CreateIndex
CREATE UNIQUE INDEX "Notification_once_key" ON "Notification"("once");
