package app

import "github.com/sasapick/shop/internal/platform/failpoint"

// The instants at which a process may die while an order is on its way: just before a commit, just after it when nobody was told yet,
// and where another module's answer has come and nothing of it is kept. What is left each time is ended by the next repeat or job.
var (
	draftCommit     = failpoint.New("ordering.draft.commit")
	draftCommitted  = failpoint.New("ordering.draft.committed")
	reserveCalled   = failpoint.New("ordering.reserve.called")
	redeemCalled    = failpoint.New("ordering.redeem.called")
	pointsCalled    = failpoint.New("ordering.points.called")
	openCalled      = failpoint.New("ordering.open.called")
	finishCommit    = failpoint.New("ordering.finish.commit")
	finishCommitted = failpoint.New("ordering.finish.committed")
	rejectCommit    = failpoint.New("ordering.reject.commit")
	rejectCommitted = failpoint.New("ordering.reject.committed")

	claimCommitted   = failpoint.New("ordering.claim.committed") // a repeat, or the job, has the order in its hands
	unclaimCommitted = failpoint.New("ordering.unclaim.committed")

	confirmCalled   = failpoint.New("ordering.confirm.called")
	settleCommit    = failpoint.New("ordering.settle.commit")
	settleCommitted = failpoint.New("ordering.settle.committed")

	canceling = ending{ // an order that is unpaid, by its shopper
		called:    failpoint.New("ordering.close.called"),
		commit:    failpoint.New("ordering.close.commit"),
		committed: failpoint.New("ordering.close.committed"),
	}
	expiring = ending{ // an order that is unpaid, by the job
		called:    failpoint.New("ordering.expire.called"),
		commit:    failpoint.New("ordering.expire.commit"),
		committed: failpoint.New("ordering.expire.committed"),
	}

	cancelCommit    = failpoint.New("ordering.cancel.commit") // an order that is paid: it is canceling from here on
	cancelCommitted = failpoint.New("ordering.cancel.committed")
	refundCalled    = failpoint.New("ordering.refund.called")
	refundCommit    = failpoint.New("ordering.refund.commit")
	refundCommitted = failpoint.New("ordering.refund.committed")

	requestCommit    = failpoint.New("ordering.refund.requested.commit") // of goods that come back after shipping
	requestCommitted = failpoint.New("ordering.refund.requested.committed")
	takeBackCalled   = failpoint.New("ordering.take_back.called") // accounts has taken back what they had earned
	sendCommit       = failpoint.New("ordering.refund.sent.commit")
	sendCommitted    = failpoint.New("ordering.refund.sent.committed") // what is to be given back is known, and payments is not
	partCalled       = failpoint.New("ordering.refund.part.called")
	endCommit        = failpoint.New("ordering.refund.ended.commit")
	endCommitted     = failpoint.New("ordering.refund.ended.committed")

	// The bus commits what was heard, with the row of its inbox.
	capturedHeard = failpoint.New("ordering.captured.heard")
	refundedHeard = failpoint.New("ordering.refunded.heard")
	refusalHeard  = failpoint.New("ordering.refund_refused.heard")

	preparing  = managing{commit: failpoint.New("ordering.prepare.commit"), committed: failpoint.New("ordering.prepare.committed")}
	shipping   = managing{commit: failpoint.New("ordering.ship.commit"), committed: failpoint.New("ordering.ship.committed")}
	delivering = managing{commit: failpoint.New("ordering.deliver.commit"), committed: failpoint.New("ordering.deliver.committed")}

	dropCalled       = failpoint.New("ordering.drop.called")     // the catalog has set a drop's pieces aside
	dropEdited       = failpoint.New("ordering.drop.edited")     // the catalog has taken an edit of one
	callOffCommit    = failpoint.New("ordering.call_off.commit") // a pre-order is called off, and its orders live
	callOffCommitted = failpoint.New("ordering.call_off.committed")
	callOffCalled    = failpoint.New("ordering.call_off.called") // one of them was asked to be canceled

	returnCommit    = failpoint.New("ordering.return.commit") // what dead orders had leaves their shoppers' counters
	returnCommitted = failpoint.New("ordering.return.committed")
)

type ending struct{ called, commit, committed failpoint.Point }

type managing struct{ commit, committed failpoint.Point }
