-- CreateIndex
CREATE INDEX "Notification_sentAt_idx" ON "Notification"("sentAt");

