-- What were subscriptions are users: names tell them apart now, so all of those who share one get their id appended.
INSERT INTO "User" ("id", "name", "enabled", "tokenHash", "expiresAt", "expiredAt", "periodAt", "createdAt")
SELECT "id", CASE WHEN count(*) OVER (PARTITION BY "name") = 1 THEN "name" ELSE "name" || ' ' || "id" END,
    "enabled", "tokenHash", "expiresAt", "expiredAt", "createdAt", "createdAt"
FROM "Subscription";
INSERT INTO "AccessChange" ("tokenHash") SELECT "tokenHash" FROM "User";
