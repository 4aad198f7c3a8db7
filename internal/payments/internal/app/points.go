package app

import "github.com/sasapick/shop/internal/platform/failpoint"

// Points at which the process may die. "called": the gateway has answered, and nothing of it is kept.
var (
	openCommit     = failpoint.New("payments.open.commit")
	openCommitted  = failpoint.New("payments.open.committed")
	closeCommit    = failpoint.New("payments.close.commit")
	closeCommitted = failpoint.New("payments.close.committed")

	begunCommit    = failpoint.New("payments.confirm.begun.commit") // that the gateway is about to be asked
	begunCommitted = failpoint.New("payments.confirm.begun.committed")
	confirmAnswer  = failpoint.New("payments.confirm.answer")

	refundCommit    = failpoint.New("payments.refund.requested.commit")
	refundCommitted = failpoint.New("payments.refund.requested.committed")
	sentCommit      = failpoint.New("payments.refund.sent.commit")
	sentCommitted   = failpoint.New("payments.refund.sent.committed")
	refundAnswer    = failpoint.New("payments.refund.answer")

	webhookCommit      = failpoint.New("payments.webhook.stored.commit")
	webhookCommitted   = failpoint.New("payments.webhook.stored.committed") // the gateway is told next
	processedCommit    = failpoint.New("payments.webhook.processed.commit")
	processedCommitted = failpoint.New("payments.webhook.processed.committed")
)

// route is a way on which an outcome is learned, with its points.
type route struct {
	called    failpoint.Point
	read      failpoint.Point // read back after an answer that was not the last word
	commit    failpoint.Point
	committed failpoint.Point
}

var (
	byConfirm = route{
		failpoint.New("payments.confirm.called"), failpoint.New("payments.confirm.read.called"),
		failpoint.New("payments.confirm.outcome.commit"), failpoint.New("payments.confirm.outcome.committed"),
	}
	byRefund = route{
		failpoint.New("payments.refund.called"), failpoint.New("payments.refund.read.called"),
		failpoint.New("payments.refund.outcome.commit"), failpoint.New("payments.refund.outcome.committed"),
	}
	byJob = route{
		failpoint.New("payments.reconcile.called"), failpoint.New("payments.reconcile.read.called"),
		failpoint.New("payments.reconcile.outcome.commit"), failpoint.New("payments.reconcile.outcome.committed"),
	}
	byWebhook = route{
		read:   failpoint.New("payments.webhook.read.called"),
		commit: failpoint.New("payments.webhook.outcome.commit"), committed: failpoint.New("payments.webhook.outcome.committed"),
	}
)
