package app

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"golang.org/x/text/language"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/accounts/internal/db"
	"github.com/sasapick/shop/internal/platform/auth"
)

// The kinds of notifications.
const (
	orderPaid      = "order_paid"
	orderShipped   = "order_shipped"
	orderDelivered = "order_delivered"
	orderCanceled  = "order_canceled"
	orderExpired   = "order_expired"
	orderRefunded  = "order_refunded"
	tierChanged    = "tier_changed"

	productRestocked = "product_restocked"
)

// orderParams is what a notification about an order is made from.
type orderParams struct {
	OrderID       uuid.UUID `json:"order_id"`
	OrderNumber   string    `json:"order_number"`
	TotalWon      int64     `json:"total_won"`
	Product       string    `json:"product,omitempty"` // the first line's
	Others        int       `json:"others,omitempty"`  // lines after the first
	Carrier       string    `json:"carrier,omitempty"`
	InvoiceNumber string    `json:"invoice_number,omitempty"`

	RefundID   *uuid.UUID `json:"refund_id,omitempty"` // of a refund: the lines are those that came back
	MoneyWon   int64      `json:"money_won,omitempty"`
	PointsBack int64      `json:"points_back,omitempty"`
}

// restockParams is what a notification about a product that can be had again is made from.
type restockParams struct {
	ProductID   uuid.UUID `json:"product_id"`
	ProductName string    `json:"product_name"`
}

// Notification is a line of an inbox, in the reader's language.
type Notification struct {
	ID          uuid.UUID  `json:"id"`
	Kind        string     `json:"kind" enum:"order_paid,order_shipped,order_delivered,order_canceled,order_expired,order_refunded,tier_changed,product_restocked" doc:"What happened."`
	Title       string     `json:"title" example:"결제가 완료되었습니다"`
	Body        string     `json:"body" example:"무선 키보드 외 1건, 39,000원 (주문번호 A1B2C3)"`
	OrderID     *uuid.UUID `json:"order_id,omitempty" doc:"The order that it is about, if it is about one."`
	OrderNumber string     `json:"order_number,omitempty" example:"A1B2C3"`
	ProductID   *uuid.UUID `json:"product_id,omitempty" doc:"The product that it is about, if it is about one."`
	CreatedAt   time.Time  `json:"created_at" doc:"When it happened."`
	ReadAt      *time.Time `json:"read_at,omitempty" doc:"When it was marked as read; absent until then."`
}

// Notifications returns at most limit notifications of who asks, newest first, from before one on.
func (s *Service) Notifications(ctx context.Context, before *uuid.UUID, limit int, lang language.Tag) ([]Notification, error) {
	rows, err := s.sql.NotificationsOf(ctx, s.pool, db.NotificationsOfParams{
		AccountID: auth.Must(ctx).AccountID, Before: before, MaxRows: int32(limit),
	})
	if err != nil {
		return nil, fmt.Errorf("list notifications: %w", err)
	}
	list := make([]Notification, len(rows))
	for i, row := range rows {
		if list[i], err = toNotification(row, lang); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// ReadNotifications marks the notifications of who asks as read, up to one and with it. An id that is nobody's marks
// those that are older.
func (s *Service) ReadNotifications(ctx context.Context, upTo uuid.UUID) error {
	err := s.sql.ReadNotifications(ctx, s.pool, db.ReadNotificationsParams{
		AccountID: auth.Must(ctx).AccountID, UpTo: upTo, At: s.clock(),
	})
	if err != nil {
		return fmt.Errorf("mark notifications as read: %w", err)
	}
	return nil
}

func toNotification(n db.AccountsNotification, lang language.Tag) (Notification, error) {
	var p struct {
		orderParams
		tierParams
		restockParams
	}
	if err := json.Unmarshal(n.Params, &p); err != nil {
		return Notification{}, fmt.Errorf("decode notification %s: %w", n.ID, err)
	}
	out := Notification{ID: n.ID, Kind: n.Kind, CreatedAt: n.CreatedAt.UTC()}
	switch {
	case n.Kind == tierChanged && lang == language.English:
		out.Title, out.Body = englishTier(p.tierParams)
	case n.Kind == tierChanged:
		out.Title, out.Body = koreanTier(p.tierParams)
	case n.Kind == productRestocked && lang == language.English:
		out.Title, out.Body = "What you waited for is back in stock", p.ProductName
	case n.Kind == productRestocked:
		out.Title, out.Body = "기다리시던 상품이 재입고되었습니다", p.ProductName
	case lang == language.English:
		out.Title, out.Body = english(n.Kind, p.orderParams)
	default:
		out.Title, out.Body = korean(n.Kind, p.orderParams)
	}
	switch n.Kind {
	case tierChanged:
	case productRestocked:
		out.ProductID = &p.ProductID
	default:
		out.OrderID, out.OrderNumber = &p.OrderID, p.OrderNumber
	}
	if n.ReadAt != nil {
		at := n.ReadAt.UTC()
		out.ReadAt = &at
	}
	return out, nil
}

func korean(kind string, p orderParams) (title, body string) {
	goods := p.Product
	if p.Others > 0 {
		goods += " 외 " + strconv.Itoa(p.Others) + "건"
	}
	if goods == "" {
		goods = "주문하신 상품"
	}
	order := " (주문번호 " + p.OrderNumber + ")"
	switch kind {
	case orderPaid:
		return "결제가 완료되었습니다", goods + ", " + thousands(p.TotalWon) + "원" + order
	case orderShipped:
		return "배송이 시작되었습니다", goods + ", " + p.Carrier + " 송장번호 " + p.InvoiceNumber + order
	case orderDelivered:
		return "배송이 완료되었습니다", goods + order
	case orderCanceled:
		return "주문이 취소되었습니다", goods + order
	case orderExpired:
		return "결제 시간이 지나 주문이 종료되었습니다", goods + order
	case orderRefunded:
		return "환불이 완료되었습니다", goods + givenBack(p, "원", "포인트") + order
	default:
		return "주문 소식", goods + order
	}
}

func english(kind string, p orderParams) (title, body string) {
	goods := p.Product
	if p.Others > 0 {
		goods += " and " + strconv.Itoa(p.Others) + " more"
	}
	if goods == "" {
		goods = "Your order"
	}
	order := " (order " + p.OrderNumber + ")"
	switch kind {
	case orderPaid:
		return "Your payment is complete", goods + ", " + thousands(p.TotalWon) + " won" + order
	case orderShipped:
		return "Your parcel is on its way", goods + ", " + p.Carrier + " invoice " + p.InvoiceNumber + order
	case orderDelivered:
		return "Your parcel has arrived", goods + order
	case orderCanceled:
		return "Your order was canceled", goods + order
	case orderExpired:
		return "Your order was not paid in time", goods + order
	case orderRefunded:
		return "Your refund is complete", goods + givenBack(p, " won", " points") + order
	default:
		return "News of your order", goods + order
	}
}

// givenBack lists what a refund gave back, in money and in points.
func givenBack(p orderParams, won, points string) (list string) {
	if p.MoneyWon > 0 {
		list += ", " + thousands(p.MoneyWon) + won
	}
	if p.PointsBack > 0 {
		list += ", " + thousands(p.PointsBack) + points
	}
	return list
}

// tierNames are what the tiers are called in Korean and in English.
var tierNames = map[accounts.Tier][2]string{
	accounts.Bronze: {"브론즈", "Bronze"}, accounts.Silver: {"실버", "Silver"}, accounts.Gold: {"골드", "Gold"}, accounts.VIP: {"VIP", "VIP"},
}

func koreanTier(p tierParams) (title, body string) {
	title = "회원 등급이 변경되었습니다"
	if p.New.Reaches(p.Old) {
		title = "회원 등급이 올랐습니다"
	}
	return title, tierNames[p.Old][0] + " → " + tierNames[p.New][0]
}

func englishTier(p tierParams) (title, body string) {
	title = "Your tier has changed"
	if p.New.Reaches(p.Old) {
		title = "Your tier has risen"
	}
	return title, tierNames[p.Old][1] + " → " + tierNames[p.New][1]
}

// thousands writes 39000 as 39,000.
func thousands(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
