package db

// The generated structs carry their schema's name; within the module they are called what they are.
type (
	Payment = PaymentsPayment
	Attempt = PaymentsAttempt
	Refund  = PaymentsRefund
	History = PaymentsHistory
	Entry   = PaymentsLedger
	Webhook = PaymentsWebhook
)
