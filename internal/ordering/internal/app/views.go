package app

import (
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/ordering"
	"github.com/sasapick/shop/internal/ordering/internal/db"
	"github.com/sasapick/shop/internal/payments"
)

// ItemView is a line of an order.
type ItemView struct {
	ProductID    uuid.UUID `json:"product_id"`
	Name         string    `json:"name" example:"린넨 셔츠" doc:"As it was called when it was ordered."`
	Brand        string    `json:"brand" example:"모노"`
	Quantity     int64     `json:"quantity" example:"2"`
	UnitPriceWon int64     `json:"unit_price_won" example:"12900" doc:"As it was sold."`
	AmountWon    int64     `json:"amount_won" example:"25800"`
	DiscountWon  int64     `json:"discount_won" example:"2000" doc:"What a coupon takes off that."`
}

// AddressView is where an order's parcel goes.
type AddressView struct {
	Recipient string `json:"recipient" example:"김지은"`
	Phone     string `json:"phone" example:"010-1234-5678"`
	Zipcode   string `json:"zipcode" example:"04524"`
	Line1     string `json:"line1" example:"서울특별시 중구 세종대로 110"`
	Line2     string `json:"line2,omitempty" example:"3층"`
}

// ShipmentView is a parcel on its way.
type ShipmentView struct {
	Carrier       string `json:"carrier" example:"CJ대한통운"`
	InvoiceNumber string `json:"invoice_number" example:"612345678901"`
}

// PaymentView is what a shopper needs to pay an order.
type PaymentView struct {
	OrderNumber string `json:"order_number" example:"S20261124ABCDEFGHJKLMNPQR" doc:"The gateway's orderId."`
	AmountWon   int64  `json:"amount_won" example:"28800"`
	CustomerKey string `json:"customer_key" example:"cus_0198b1f2" doc:"The shopper, as the gateway knows them."`
	ClientKey   string `json:"client_key" example:"test_ck_…" doc:"For the gateway's own script on the pay page."`
	CheckoutURL string `json:"checkout_url" example:"https://shop.example/toss/pay/S20261124ABCDEFGHJKLMNPQR" doc:"A page to pay on."`
}

// MomentView is something that happened to an order.
type MomentView struct {
	At   time.Time      `json:"at"`
	From ordering.State `json:"from,omitempty" example:"pending" doc:"Absent at the first; the same as to where only something else changed."`
	To   ordering.State `json:"to" example:"awaiting_payment"`
	By   string         `json:"by" enum:"shopper,manager,system"`
	Note string         `json:"note,omitempty" example:"the address was changed"`
}

// OrderView is an order as its buyer sees it.
type OrderView struct {
	ID           uuid.UUID      `json:"id"`
	Number       string         `json:"number" example:"S20261124ABCDEFGHJKLMNPQR" doc:"Unguessable; for talking about the order."`
	Kind         string         `json:"kind" enum:"standard,preorder"`
	PreorderID   *uuid.UUID     `json:"preorder_id,omitempty" doc:"Of which pre-order it is."`
	State        ordering.State `json:"state" enum:"pending,awaiting_payment,paid,preparing,shipping,delivered,confirmed,canceling,rejected,expired,canceled,refunded"`
	Items        []ItemView     `json:"items"`
	ItemsWon     int64          `json:"items_won" example:"25800"`
	CouponID     *uuid.UUID     `json:"coupon_id,omitempty" doc:"The coupon that it redeems."`
	DiscountWon  int64          `json:"discount_won" example:"2000" doc:"What that takes off the items."`
	ShippingWon  int64          `json:"shipping_won" example:"0"`
	TotalWon     int64          `json:"total_won" example:"23800" doc:"The items, less the discount, and shipping."`
	PointsWon    int64          `json:"points_won" example:"800" doc:"What points pay of the total."`
	DueWon       int64          `json:"due_won" example:"23000" doc:"What is, or was, to be paid in money."`
	RefundedWon  int64          `json:"refunded_won" example:"0" doc:"What was given back of that for goods that came back after shipping."`
	Address      AddressView    `json:"address"`
	Payment      *PaymentView   `json:"payment,omitempty" doc:"While the order waits to be paid."`
	ExpiresAt    *time.Time     `json:"expires_at,omitempty" doc:"To be paid until then; absent when nothing is to be paid any more."`
	Shipment     *ShipmentView  `json:"shipment,omitempty"`
	CancelReason string         `json:"cancel_reason,omitempty" example:"changed my mind"`
	CreatedAt    time.Time      `json:"created_at"`
	UpdatedAt    time.Time      `json:"updated_at"`
}

// OrderDetailsView is an order with what happened to it.
type OrderDetailsView struct {
	OrderView
	Timeline []MomentView `json:"timeline" doc:"Oldest first."`
	Refunds  []RefundView `json:"refunds" doc:"Of goods that came back after shipping; oldest first."`
}

// RefundView is what is given back for goods that come back after shipping.
type RefundView struct {
	ID          uuid.UUID          `json:"id"`
	State       string             `json:"state" enum:"requested,sent,done,refused" doc:"requested and sent: under way; refused: the payment could not be given back, and a person looks into it."`
	Items       []ReturnedItemView `json:"items"`
	MoneyWon    int64              `json:"money_won" example:"11000" doc:"What goes back the way it was paid."`
	PointsWon   int64              `json:"points_won" example:"800" doc:"The points that had paid for the goods; they come back."`
	KeptWon     int64              `json:"kept_won" example:"0" doc:"Taken off the money, for points that the goods had earned and that are spent; known once the refund is sent."`
	Reason      string             `json:"reason" example:"a seam came open"`
	RequestedAt time.Time          `json:"requested_at"`
	SettledAt   *time.Time         `json:"settled_at,omitempty" doc:"When it was done, or refused."`
}

// ReturnedItemView is how many pieces of a product come back.
type ReturnedItemView struct {
	ProductID uuid.UUID `json:"product_id"`
	Quantity  int64     `json:"quantity" example:"1"`
}

func refundsViewOf(refunds []Refunded) []RefundView {
	views := make([]RefundView, len(refunds))
	for i, r := range refunds {
		views[i] = RefundView{
			ID: r.ID, State: r.State, Items: make([]ReturnedItemView, len(r.Lines)), MoneyWon: moneyOf(r.Refund), PointsWon: r.Points, KeptWon: r.KeptWon,
			Reason: r.Reason, RequestedAt: r.RequestedAt.UTC(), SettledAt: utc(r.SettledAt),
		}
		for n, l := range r.Lines {
			views[i].Items[n] = ReturnedItemView{l.ProductID, l.Quantity}
		}
	}
	return views
}

func viewOf(o db.Order, lines []db.Line, payment *payments.Payment) OrderView {
	v := OrderView{
		ID: o.ID, Number: o.Number, Kind: o.Kind, PreorderID: o.DropID, State: ordering.State(o.State),
		Items:    make([]ItemView, len(lines)),
		ItemsWon: o.ItemsWon, CouponID: o.CouponID, DiscountWon: o.DiscountWon, ShippingWon: o.ShippingWon, TotalWon: o.TotalWon, PointsWon: o.PointsWon, DueWon: o.DueWon,
		RefundedWon:  o.RefundedWon,
		Address:      AddressView{Recipient: o.Recipient, Phone: o.Phone, Zipcode: o.Zipcode, Line1: o.Line1, Line2: o.Line2},
		CancelReason: text(o.CancelReason),
		CreatedAt:    o.CreatedAt.UTC(), UpdatedAt: o.UpdatedAt.UTC(),
	}
	for i, l := range lines {
		v.Items[i] = ItemView{
			ProductID: l.ProductID, Name: l.Name, Brand: l.Brand, Quantity: l.Quantity,
			UnitPriceWon: l.UnitPriceWon, AmountWon: l.UnitPriceWon * l.Quantity, DiscountWon: l.DiscountWon,
		}
	}
	if v.State == ordering.StateAwaitingPayment {
		v.ExpiresAt = utc(o.ExpiresAt)
		if payment != nil {
			v.Payment = &PaymentView{
				OrderNumber: o.Number, AmountWon: o.DueWon, CustomerKey: payment.CustomerKey, ClientKey: payment.ClientKey, CheckoutURL: payment.CheckoutURL,
			}
		}
	}
	if o.InvoiceNumber != nil {
		v.Shipment = &ShipmentView{Carrier: text(o.Carrier), InvoiceNumber: text(o.InvoiceNumber)}
	}
	return v
}

// detailsOf leaves out what the system and managers remarked: it is not meant for the buyer.
func detailsOf(d Details) OrderDetailsView {
	v := OrderDetailsView{OrderView: viewOf(d.Order, d.Lines, d.Payment), Timeline: []MomentView{}, Refunds: refundsViewOf(d.Refunds)}
	for _, m := range d.Timeline {
		own := m.ActorKind == shopperKind
		if m.FromState == m.ToState && !own {
			continue
		}
		moment := MomentView{At: m.At.UTC(), From: ordering.State(m.FromState), To: ordering.State(m.ToState), By: m.ActorKind}
		if own {
			moment.Note = m.Note
		}
		v.Timeline = append(v.Timeline, moment)
	}
	return v
}

// CartLineView is a line of a cart at today's price.
type CartLineView struct {
	ProductID    uuid.UUID `json:"product_id"`
	Name         string    `json:"name,omitempty" example:"린넨 셔츠" doc:"Absent when the product is no longer sold."`
	Brand        string    `json:"brand,omitempty" example:"모노"`
	ImageURL     string    `json:"image_url,omitempty"`
	Quantity     int64     `json:"quantity" example:"2"`
	PriceWon     int64     `json:"price_won" example:"12900" doc:"Today's."`
	SeenPriceWon int64     `json:"seen_price_won" example:"13900" doc:"When the quantity was last set."`
	AmountWon    int64     `json:"amount_won" example:"25800"`
	Availability string    `json:"availability" enum:"in_stock,low,sold_out"`
	Changed      []Changed `json:"changed" enum:"price_up,price_down,sold_out,stopped,gone,over_limit" doc:"What became of the product in the meantime."`
	Buyable      bool      `json:"buyable" doc:"false: the line is not added up, and could not be ordered."`
	AddedAt      time.Time `json:"added_at"`
}

// CartView is a cart.
type CartView struct {
	Items       []CartLineView `json:"items" doc:"Oldest first."`
	SubtotalWon int64          `json:"subtotal_won" example:"25800" doc:"Of the lines that can be bought."`
}

// QuoteView is what ordering the cart would cost now.
type QuoteView struct {
	CartView
	Coupon      *QuotedCouponView `json:"coupon,omitempty" doc:"The coupon, of those that the account holds, that takes most off; absent when there is none."`
	DiscountWon int64             `json:"discount_won" example:"2000" doc:"What that takes off."`
	ShippingWon int64             `json:"shipping_won" example:"0"`
	TotalWon    int64             `json:"total_won" example:"23800" doc:"With the coupon. The expected_total_won of an order of all lines that can be bought, with that coupon_id."`
	Points      int64             `json:"points" example:"1200" doc:"What the account has to pay with, in won."`
}

// QuotedCouponView is a coupon with what it takes off a cart.
type QuotedCouponView struct {
	ID          uuid.UUID `json:"id" doc:"The coupon_id of an order."`
	Name        string    `json:"name" example:"3,000 won off"`
	DiscountWon int64     `json:"discount_won" example:"2000"`
	UsableUntil time.Time `json:"usable_until"`
}

func quoteViewOf(q Quote) QuoteView {
	v := QuoteView{CartView: cartViewOf(q.Cart), DiscountWon: q.price.discountWon, ShippingWon: q.price.shippingWon, TotalWon: q.price.totalWon, Points: q.Points}
	if c := q.Coupon; c != nil {
		v.Coupon = &QuotedCouponView{ID: c.CouponID, Name: c.Name, DiscountWon: c.DiscountWon, UsableUntil: c.UsableUntil.UTC()}
	}
	return v
}

func cartViewOf(c Cart) CartView {
	v := CartView{Items: make([]CartLineView, len(c.Lines)), SubtotalWon: c.SubtotalWon}
	for i, l := range c.Lines {
		availability := string(l.Offer.Availability)
		if availability == "" {
			availability = "sold_out"
		}
		v.Items[i] = CartLineView{
			ProductID: l.ProductID, Name: l.Offer.Name, Brand: l.Offer.Brand, ImageURL: l.Offer.ImageURL,
			Quantity: l.Quantity, PriceWon: l.Offer.PriceWon, SeenPriceWon: l.SeenPriceWon, AmountWon: l.AmountWon,
			Availability: availability, Changed: l.Changed, Buyable: l.Buyable, AddedAt: l.AddedAt.UTC(),
		}
	}
	return v
}
