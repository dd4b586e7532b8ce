package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxResumes bounds how often in a row a stream of events is taken up again without a single event coming.
const maxResumes = 5

// Follow calls f for every progress of a run until it has ended, and returns the run as it ended. A broken stream is
// taken up again behind the last event that came. An error of the run itself is in the run, not in err.
func (c *Client) Follow(ctx context.Context, run int64, f func(Progress)) (Run, error) {
	last, fails := "", 0
	for {
		came, end, err := c.events(ctx, run, &last, f)
		if end != nil {
			return *end, nil
		}
		if ctx.Err() != nil {
			return Run{}, ctx.Err()
		}
		if e, ok := errors.AsType[*Error](err); ok && e.Status != 0 && e.Status < 500 {
			return Run{}, err
		}
		if came {
			fails = 0
		}
		if fails++; fails > maxResumes {
			return Run{}, fmt.Errorf("the progress of run %d cannot be followed: %w", run, err)
		}
		select {
		case <-ctx.Done():
			return Run{}, ctx.Err()
		case <-time.After(time.Duration(fails) * 200 * time.Millisecond):
		}
	}
}

// events reads one stream. came tells whether anything was received, end is set when the run has ended.
func (c *Client) events(ctx context.Context, run int64, last *string, f func(Progress)) (came bool, end *Run, err error) {
	header := http.Header{"Accept": {"text/event-stream"}}
	if *last != "" {
		header.Set("Last-Event-ID", *last)
	}
	res, err := c.send(ctx, http.MethodGet, path("runs", strconv.FormatInt(run, 10), "events"), nil, nil, header)
	if err != nil {
		return false, nil, err
	}
	defer res.Body.Close()
	err = readEvents(res.Body, func(id, _, data string) error {
		var p Progress
		if err := json.Unmarshal([]byte(data), &p); err != nil {
			return fmt.Errorf("an event is no JSON: %w", err)
		}
		came = true
		if id != "" {
			*last = id
		}
		f(p)
		if p.Phase == "done" && p.Run != nil {
			end = p.Run
			return io.EOF
		}
		return nil
	})
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return came, end, err
}

// readEvents parses a stream of server-sent events as the HTML standard describes it, and calls f for each.
func readEvents(r io.Reader, f func(id, event, data string) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 4<<20)
	var id, event string
	var data []string
	for lines.Scan() {
		line := strings.TrimSuffix(lines.Text(), "\r")
		if line == "" {
			if data != nil {
				if err := f(id, event, strings.Join(data, "\n")); err != nil {
					return err
				}
			}
			event, data = "", nil
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "id":
			id = value
		case "event":
			event = value
		case "data":
			data = append(data, value)
		}
	}
	return lines.Err()
}
