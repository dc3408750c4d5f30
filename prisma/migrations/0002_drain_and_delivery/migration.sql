-- AlterTable
ALTER TABLE "Node" ADD COLUMN "drainingAt" DATETIME;

-- AlterTable
ALTER TABLE "Notification" ADD COLUMN "sentAt" DATETIME;
