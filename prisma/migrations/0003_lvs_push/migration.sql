-- RedefineTables
PRAGMA defer_foreign_keys=ON;
PRAGMA foreign_keys=OFF;
CREATE TABLE "new_LvsBalancer" (
    "hostname" TEXT NOT NULL PRIMARY KEY,
    "clusterName" TEXT NOT NULL,
    "routerid" TEXT NOT NULL,
    "revision" TEXT,
    "version" INTEGER,
    "good" TEXT,
    "goodVersion" INTEGER,
    "hostKey" TEXT,
    "reloading" BOOLEAN NOT NULL DEFAULT false,
    "drained" BOOLEAN NOT NULL DEFAULT false,
    "observed" TEXT,
    "observedAt" DATETIME,
    "error" TEXT,
    "unreached" TEXT,
    "drift" TEXT NOT NULL DEFAULT '[]',
    "figures" TEXT,
    CONSTRAINT "LvsBalancer_clusterName_fkey" FOREIGN KEY ("clusterName") REFERENCES "LvsCluster" ("name") ON DELETE CASCADE ON UPDATE CASCADE
);
INSERT INTO "new_LvsBalancer" ("clusterName", "error", "good", "hostname", "observed", "observedAt", "revision", "routerid") SELECT "clusterName", "error", "good", "hostname", "observed", "observedAt", "revision", "routerid" FROM "LvsBalancer";
DROP TABLE "LvsBalancer";
ALTER TABLE "new_LvsBalancer" RENAME TO "LvsBalancer";
CREATE UNIQUE INDEX "LvsBalancer_routerid_key" ON "LvsBalancer"("routerid");
CREATE INDEX "LvsBalancer_clusterName_idx" ON "LvsBalancer"("clusterName");
CREATE TABLE "new_LvsDocument" (
    "clusterName" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "content" TEXT NOT NULL,
    "hosts" TEXT NOT NULL,
    "change" TEXT NOT NULL,
    "revision" TEXT,
    "actor" TEXT NOT NULL,
    "note" TEXT NOT NULL DEFAULT '',
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,

    PRIMARY KEY ("clusterName", "version"),
    CONSTRAINT "LvsDocument_clusterName_fkey" FOREIGN KEY ("clusterName") REFERENCES "LvsCluster" ("name") ON DELETE CASCADE ON UPDATE CASCADE
);
INSERT INTO "new_LvsDocument" ("actor", "clusterName", "content", "createdAt", "hosts", "note", "version") SELECT "actor", "clusterName", "content", "createdAt", "hosts", "note", "version" FROM "LvsDocument";
DROP TABLE "LvsDocument";
ALTER TABLE "new_LvsDocument" RENAME TO "LvsDocument";
CREATE UNIQUE INDEX "LvsDocument_clusterName_change_key" ON "LvsDocument"("clusterName", "change");
CREATE TABLE "new_Pool" (
    "name" TEXT NOT NULL PRIMARY KEY,
    "role" TEXT NOT NULL DEFAULT 'edge',
    "zone" TEXT NOT NULL,
    "types" TEXT NOT NULL DEFAULT '[]',
    "locations" TEXT NOT NULL DEFAULT '[]',
    "image" TEXT NOT NULL,
    "resurrect" BOOLEAN NOT NULL DEFAULT true,
    "service" TEXT,
    "vips" TEXT NOT NULL DEFAULT '[]',
    "nextIndex" INTEGER NOT NULL DEFAULT 1,
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
);
INSERT INTO "new_Pool" ("createdAt", "image", "locations", "name", "nextIndex", "resurrect", "role", "service", "types", "zone") SELECT "createdAt", "image", "locations", "name", "nextIndex", "resurrect", "role", "service", "types", "zone" FROM "Pool";
DROP TABLE "Pool";
ALTER TABLE "new_Pool" RENAME TO "Pool";
PRAGMA foreign_keys=ON;
PRAGMA defer_foreign_keys=OFF;

