package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// A size is how much the sandbox holds.
type size struct{ repositories, pullRequests int }

// A course is one measurement: a sandbox of one size and latency, a new database, one sync or two.
type course struct {
	options   options
	product   product
	size      size
	latency   time.Duration
	consumers int
	paced     bool // a Data Center is asked at the pace that is the default; otherwise as fast as it answers
	again     bool // a second sync is measured
	bare      bool // bare inserts of the same rows are measured
	folder    string
}

// figures is what a course found.
type figures struct {
	course  course
	ready   time.Duration // until the sandbox answered
	first   syncRun
	second  syncRun
	written written
	bare    time.Duration // for the rows of written, as bare prepared inserts; zero when not measured
}

// syncRun is one `windlass sync`.
type syncRun struct {
	seconds    float64 // wall time of the process, from start to exit
	requests   int     // as the sandbox counted them
	byEndpoint map[string]int
	usage      usage
	summary    summary
}

// summary is what `windlass sync -o json` prints; only what is used here.
type summary struct {
	Status  string         `json:"status"`
	Calls   int            `json:"calls"`
	Objects map[string]int `json:"objects"`
	Changes struct {
		Created, Updated, Deleted int
	} `json:"changes"`
}

// stats is what the sandbox's GET /sandbox/stats answers; only what is used here.
type stats struct {
	Requests struct {
		Total      int            `json:"total"`
		ByEndpoint map[string]int `json:"by_endpoint"`
	} `json:"requests"`
}

func (c course) measure(ctx context.Context) (figures, error) {
	f := figures{course: c}
	if err := os.MkdirAll(c.folder, 0o700); err != nil {
		return f, err
	}
	address, err := freeAddress(ctx)
	if err != nil {
		return f, err
	}
	started := time.Now()
	sandbox, err := c.startSandbox(ctx, address)
	if err != nil {
		return f, err
	}
	defer sandbox.stop()
	if err := sandbox.await(ctx, "http://"+address+"/sandbox/stats"); err != nil {
		return f, err
	}
	f.ready = time.Since(started)

	if err := c.connect(ctx, address); err != nil {
		return f, err
	}
	if f.first, err = c.sync(ctx, address); err != nil {
		return f, fmt.Errorf("first sync: %w", err)
	}
	if c.again {
		if f.second, err = c.sync(ctx, address); err != nil {
			return f, fmt.Errorf("second sync: %w", err)
		}
	}
	if f.written, err = countRows(ctx, c.database(), c.product.pulls()); err != nil {
		return f, err
	}
	if c.bare {
		sandbox.stop() // the bare inserts have the machine for themselves
		f.bare, err = bareInserts(ctx, c.database(), filepath.Join(c.folder, "bare.db"))
	}
	return f, err
}

func (c course) dataDir() string { return filepath.Join(c.folder, "data") }

// environment keeps the measured binary away from the data and keys of whoever runs the benchmark.
func (c course) environment() []string {
	return append(os.Environ(), "XDG_CONFIG_HOME="+filepath.Join(c.folder, "config"), "WINDLASS_DATA_DIR="+c.dataDir())
}

func (c course) startSandbox(ctx context.Context, address string) (*child, error) {
	return start(ctx, c.environment(), c.options.binary, "sandbox", "--listen", address,
		"--repos", strconv.Itoa(c.size.repositories), "--pull-requests", strconv.Itoa(c.size.pullRequests),
		"--seed", strconv.Itoa(c.options.seed), "--latency", c.latency.String())
}

func (c course) connect(ctx context.Context, address string) error {
	args := append([]string{"connect", string(c.product), "bench", "--allow-http", "--yes"}, c.product.flags("http://"+address, c.consumers)...)
	if c.product == dataCenter && !c.paced {
		args = append(args, "--set", "rate=1000", "--set", "in-flight=64")
	}
	_, _, err := output(ctx, c.environment(), c.options.binary, args...)
	return err
}

func (c course) sync(ctx context.Context, address string) (syncRun, error) {
	var r syncRun
	if err := post(ctx, "http://"+address+"/sandbox/stats/reset"); err != nil {
		return r, err
	}
	started := time.Now()
	text, used, err := output(ctx, c.environment(), c.options.binary, "sync", "bench", "-o", "json")
	if err != nil {
		return r, err
	}
	r.seconds, r.usage = time.Since(started).Seconds(), used
	if err := json.Unmarshal(text, &r.summary); err != nil {
		return r, fmt.Errorf("sync printed no summary: %w", err)
	}
	if r.summary.Status != "complete" {
		return r, fmt.Errorf("sync is %q, so its figures mean nothing", r.summary.Status)
	}
	var s stats
	if err := get(ctx, "http://"+address+"/sandbox/stats", &s); err != nil {
		return r, err
	}
	r.requests, r.byEndpoint = s.Requests.Total, s.Requests.ByEndpoint
	return r, nil
}

func get(ctx context.Context, url string, into any) error {
	return request(ctx, http.MethodGet, url, into)
}

func post(ctx context.Context, url string) error {
	return request(ctx, http.MethodPost, url, nil)
}

func request(ctx context.Context, method, url string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, http.NoBody)
	if err != nil {
		return err
	}
	res, err := (&http.Client{}).Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %s", method, url, res.Status)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(res.Body).Decode(into)
}
