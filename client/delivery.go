package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Delivery is a request of a webhook as it was kept. Nothing of it was stored before its signature was verified.
type Delivery struct {
	ID         int64               `json:"id"`
	Connection string              `json:"connection" doc:"Empty where it was removed."`
	Hook       string              `json:"hook" doc:"Id of the webhook that brought it."`
	RequestID  string              `json:"requestId,omitempty" doc:"As Bitbucket numbered it."`
	Event      string              `json:"event" doc:"Key of the event, as the header says."`
	ReceivedAt time.Time           `json:"receivedAt"`
	State      string              `json:"state" enum:"new,done,duplicate,out_of_scope,failed" doc:"new: it waits to be applied. duplicate: the same came before. out_of_scope: it is about what its webhook was not made for. failed: it could not be read or applied."`
	Verdict    string              `json:"verdict" doc:"How it was believed: signed, signed with the former secret, unsigned."`
	Effect     string              `json:"effect,omitempty" doc:"What it did, or why nothing."`
	AppliedAt  *time.Time          `json:"appliedAt,omitempty"`
	Size       int                 `json:"size" doc:"Bytes of the body."`
	Method     string              `json:"method,omitempty"`
	Path       string              `json:"path,omitempty"`
	Headers    map[string][]string `json:"headers,omitempty" doc:"Those that are kept; never Authorization."`
	Body       any                 `json:"body,omitempty" doc:"What it says, with secrets masked; only where it was asked for."`
}

// DeliveryFilter selects deliveries.
type DeliveryFilter struct {
	Connection string // empty for all
	Hook       string // empty for all
	State      string // empty for all
	Limit      int    // 0 for the server's default
	Cursor     string
}

// Deliveries lists deliveries without their bodies, the newest first. They are kept for 30 days.
func (c *Client) Deliveries(ctx context.Context, f DeliveryFilter) (List[Delivery], error) {
	q := paging(f.Limit, f.Cursor)
	for name, value := range map[string]string{"connection": f.Connection, "hook": f.Hook, "state": f.State} {
		if value != "" {
			q.Set(name, value)
		}
	}
	var out List[Delivery]
	return out, c.call(ctx, http.MethodGet, path("deliveries"), q, nil, &out)
}

// Delivery returns one delivery, on request with its body, in which secrets are masked.
func (c *Client) Delivery(ctx context.Context, id int64, body bool) (Delivery, error) {
	q := url.Values{}
	if body {
		q.Set("body", "true")
	}
	var out Delivery
	return out, c.call(ctx, http.MethodGet, path("deliveries", strconv.FormatInt(id, 10)), q, nil, &out)
}

// ReplayDelivery has a delivery applied once more. A server does it a moment later; else it is done when this returns.
func (c *Client) ReplayDelivery(ctx context.Context, id int64) (Delivery, error) {
	var out Delivery
	return out, c.call(ctx, http.MethodPost, path("deliveries", strconv.FormatInt(id, 10), "replay"), nil, nil, &out)
}
