-- AlterTable
ALTER TABLE "ConfigRevision" ADD COLUMN "service" TEXT;
ALTER TABLE "ConfigRevision" ADD COLUMN "snapshot" INTEGER;

-- AlterTable
ALTER TABLE "Node" ADD COLUMN "accessList" TEXT;
ALTER TABLE "Node" ADD COLUMN "accessSeq" INTEGER;
ALTER TABLE "Node" ADD COLUMN "driftAt" DATETIME;
ALTER TABLE "Node" ADD COLUMN "proxyId" TEXT;

-- AlterTable
ALTER TABLE "Pool" ADD COLUMN "service" TEXT;

-- CreateTable
CREATE TABLE "Plan" (
    "name" TEXT NOT NULL PRIMARY KEY,
    "traffic" REAL,
    "devices" INTEGER DEFAULT 3,
    "period" TEXT NOT NULL DEFAULT 'month',
    "days" INTEGER DEFAULT 30,
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
);

-- CreateTable
CREATE TABLE "User" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "name" TEXT NOT NULL,
    "note" TEXT NOT NULL DEFAULT '',
    "planName" TEXT,
    "enabled" BOOLEAN NOT NULL DEFAULT true,
    "tokenHash" TEXT NOT NULL,
    "tokenSealed" TEXT,
    "expiresAt" DATETIME,
    "expiredAt" DATETIME,
    "up" REAL NOT NULL DEFAULT 0,
    "down" REAL NOT NULL DEFAULT 0,
    "periodAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "totalUp" REAL NOT NULL DEFAULT 0,
    "totalDown" REAL NOT NULL DEFAULT 0,
    "over" BOOLEAN NOT NULL DEFAULT false,
    "lastSeenAt" DATETIME,
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "User_planName_fkey" FOREIGN KEY ("planName") REFERENCES "Plan" ("name") ON DELETE SET NULL ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "AccessChange" (
    "seq" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "tokenHash" TEXT NOT NULL
);

-- CreateTable
CREATE TABLE "UsageStream" (
    "node" TEXT NOT NULL,
    "stream" TEXT NOT NULL,
    "seq" INTEGER NOT NULL,
    "seenAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,

    PRIMARY KEY ("node", "stream")
);

-- CreateTable
CREATE TABLE "UsageDay" (
    "day" TEXT NOT NULL,
    "userId" TEXT NOT NULL,
    "node" TEXT NOT NULL,
    "up" REAL NOT NULL DEFAULT 0,
    "down" REAL NOT NULL DEFAULT 0,
    "requests" REAL NOT NULL DEFAULT 0,

    PRIMARY KEY ("userId", "day", "node"),
    CONSTRAINT "UsageDay_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "Session" (
    "userId" TEXT NOT NULL,
    "device" TEXT NOT NULL,
    "node" TEXT NOT NULL,
    "client" TEXT NOT NULL DEFAULT '',
    "connections" INTEGER NOT NULL DEFAULT 0,
    "since" DATETIME NOT NULL,
    "seenAt" DATETIME NOT NULL,

    PRIMARY KEY ("userId", "device", "node")
);

-- CreateTable
CREATE TABLE "Denial" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "node" TEXT NOT NULL,
    "at" DATETIME NOT NULL,
    "check" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "status" INTEGER NOT NULL,
    "user" TEXT,
    "client" TEXT,
    "ip" TEXT,
    "path" TEXT
);

-- CreateTable
CREATE TABLE "Sample" (
    "seconds" INTEGER NOT NULL,
    "scope" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "at" INTEGER NOT NULL,
    "online" REAL NOT NULL DEFAULT 0,
    "connections" REAL NOT NULL DEFAULT 0,
    "cpu" REAL NOT NULL DEFAULT 0,
    "mem" REAL NOT NULL DEFAULT 0,
    "rxBps" REAL NOT NULL DEFAULT 0,
    "txBps" REAL NOT NULL DEFAULT 0,
    "up" REAL NOT NULL DEFAULT 0,
    "down" REAL NOT NULL DEFAULT 0,
    "requests" REAL NOT NULL DEFAULT 0,
    "denied" REAL NOT NULL DEFAULT 0,
    "weight" REAL NOT NULL DEFAULT 1,

    PRIMARY KEY ("seconds", "scope", "name", "at")
);

-- CreateTable
CREATE TABLE "Service" (
    "name" TEXT NOT NULL PRIMARY KEY,
    "type" TEXT NOT NULL,
    "content" TEXT NOT NULL,
    "current" INTEGER,
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
);

-- CreateTable
CREATE TABLE "Snapshot" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "service" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "content" TEXT NOT NULL,
    "actor" TEXT NOT NULL,
    "note" TEXT NOT NULL DEFAULT '',
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "goodAt" DATETIME,
    CONSTRAINT "Snapshot_service_fkey" FOREIGN KEY ("service") REFERENCES "Service" ("name") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "SnapshotAck" (
    "snapshotId" INTEGER NOT NULL,
    "serverId" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "error" TEXT,
    "at" DATETIME NOT NULL,

    PRIMARY KEY ("snapshotId", "serverId"),
    CONSTRAINT "SnapshotAck_snapshotId_fkey" FOREIGN KEY ("snapshotId") REFERENCES "Snapshot" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "ServerEntry" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "service" TEXT NOT NULL,
    "host" TEXT NOT NULL,
    "serverName" TEXT NOT NULL,
    "enabled" BOOLEAN NOT NULL DEFAULT true,
    "content" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" DATETIME NOT NULL,
    CONSTRAINT "ServerEntry_service_fkey" FOREIGN KEY ("service") REFERENCES "Service" ("name") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "MediaHost" (
    "service" TEXT NOT NULL,
    "host" TEXT NOT NULL,
    "version" INTEGER NOT NULL DEFAULT 1,
    "changedAt" DATETIME NOT NULL,
    "handed" INTEGER,
    "acked" INTEGER,
    "status" TEXT,
    "error" TEXT,
    "seenAt" DATETIME,

    PRIMARY KEY ("service", "host"),
    CONSTRAINT "MediaHost_service_fkey" FOREIGN KEY ("service") REFERENCES "Service" ("name") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "LvsCluster" (
    "name" TEXT NOT NULL PRIMARY KEY,
    "version" INTEGER NOT NULL,
    "published" INTEGER,
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
);

-- CreateTable
CREATE TABLE "LvsDocument" (
    "clusterName" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "content" TEXT NOT NULL,
    "hosts" TEXT NOT NULL,
    "actor" TEXT NOT NULL,
    "note" TEXT NOT NULL DEFAULT '',
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,

    PRIMARY KEY ("clusterName", "version"),
    CONSTRAINT "LvsDocument_clusterName_fkey" FOREIGN KEY ("clusterName") REFERENCES "LvsCluster" ("name") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "LvsBalancer" (
    "hostname" TEXT NOT NULL PRIMARY KEY,
    "clusterName" TEXT NOT NULL,
    "routerid" TEXT NOT NULL,
    "revision" TEXT,
    "good" TEXT,
    "observed" TEXT,
    "observedAt" DATETIME,
    "error" TEXT,
    CONSTRAINT "LvsBalancer_clusterName_fkey" FOREIGN KEY ("clusterName") REFERENCES "LvsCluster" ("name") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "LvsVip" (
    "vip" TEXT NOT NULL PRIMARY KEY,
    "clusterName" TEXT NOT NULL,
    "wstype" TEXT NOT NULL,
    "position" INTEGER NOT NULL,
    CONSTRAINT "LvsVip_clusterName_fkey" FOREIGN KEY ("clusterName") REFERENCES "LvsCluster" ("name") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "LvsHost" (
    "vip" TEXT NOT NULL,
    "host" TEXT NOT NULL,
    "position" INTEGER NOT NULL,

    PRIMARY KEY ("vip", "host"),
    CONSTRAINT "LvsHost_vip_fkey" FOREIGN KEY ("vip") REFERENCES "LvsVip" ("vip") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "LvsPort" (
    "vip" TEXT NOT NULL,
    "protocol" TEXT NOT NULL,
    "sport" INTEGER NOT NULL,
    "dport" INTEGER NOT NULL,

    PRIMARY KEY ("vip", "protocol", "sport"),
    CONSTRAINT "LvsPort_vip_fkey" FOREIGN KEY ("vip") REFERENCES "LvsVip" ("vip") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "NginxUpstream" (
    "name" TEXT NOT NULL PRIMARY KEY,
    "content" TEXT NOT NULL
);

-- CreateTable
CREATE TABLE "NginxDomain" (
    "name" TEXT NOT NULL,
    "product" TEXT NOT NULL,
    "type" TEXT NOT NULL,
    "content" TEXT NOT NULL,

    PRIMARY KEY ("name", "product", "type")
);

-- CreateIndex
CREATE UNIQUE INDEX "User_name_key" ON "User"("name");

-- CreateIndex
CREATE UNIQUE INDEX "User_tokenHash_key" ON "User"("tokenHash");

-- CreateIndex
CREATE INDEX "User_planName_periodAt_idx" ON "User"("planName", "periodAt");

-- CreateIndex
CREATE INDEX "User_expiredAt_expiresAt_idx" ON "User"("expiredAt", "expiresAt");

-- CreateIndex
CREATE INDEX "UsageDay_day_node_idx" ON "UsageDay"("day", "node");

-- CreateIndex
CREATE INDEX "Session_node_idx" ON "Session"("node");

-- CreateIndex
CREATE INDEX "Session_seenAt_idx" ON "Session"("seenAt");

-- CreateIndex
CREATE INDEX "Denial_at_idx" ON "Denial"("at");

-- CreateIndex
CREATE INDEX "Denial_node_at_idx" ON "Denial"("node", "at");

-- CreateIndex
CREATE INDEX "Denial_user_at_idx" ON "Denial"("user", "at");

-- CreateIndex
CREATE INDEX "Sample_seconds_at_idx" ON "Sample"("seconds", "at");

-- CreateIndex
CREATE UNIQUE INDEX "Snapshot_service_version_key" ON "Snapshot"("service", "version");

-- CreateIndex
CREATE INDEX "ServerEntry_service_host_idx" ON "ServerEntry"("service", "host");

-- CreateIndex
CREATE UNIQUE INDEX "ServerEntry_host_serverName_key" ON "ServerEntry"("host", "serverName");

-- CreateIndex
CREATE UNIQUE INDEX "LvsBalancer_routerid_key" ON "LvsBalancer"("routerid");

-- CreateIndex
CREATE INDEX "LvsBalancer_clusterName_idx" ON "LvsBalancer"("clusterName");

-- CreateIndex
CREATE INDEX "LvsVip_clusterName_position_idx" ON "LvsVip"("clusterName", "position");

-- CreateIndex
CREATE INDEX "LvsHost_host_idx" ON "LvsHost"("host");


-- What were subscriptions are users: names tell them apart now, so all of those who share one get their id appended.
INSERT INTO "User" ("id", "name", "enabled", "tokenHash", "expiresAt", "expiredAt", "periodAt", "createdAt")
SELECT "id", CASE WHEN count(*) OVER (PARTITION BY "name") = 1 THEN "name" ELSE "name" || ' ' || "id" END,
    "enabled", "tokenHash", "expiresAt", "expiredAt", "createdAt", "createdAt"
FROM "Subscription";
INSERT INTO "AccessChange" ("tokenHash") SELECT "tokenHash" FROM "User";

DROP TABLE "Subscription";
