package sandbox

import (
	"strconv"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
)

// ParseFaults reads faults as they stand on a command line: separated by semicolons, each a kind and settings
// separated by commas, such as
//
//	status,status=503,path=/2.0/repositories/acme,count=3;slow,delay=2s,skip=10
//
// The settings are the keys of Fault's JSON; delay is a duration. A bare number such as 503 is short for
// status,status=503, except 429, which is a kind.
func ParseFaults(text string) ([]Fault, error) {
	var all []Fault
	for part := range strings.SplitSeq(text, ";") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		f, err := parseFault(part)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, nil
}

func parseFault(text string) (Fault, error) {
	settings := strings.Split(text, ",")
	f := Fault{Kind: FaultKind(strings.TrimSpace(settings[0]))}
	if n, err := strconv.Atoi(string(f.Kind)); err == nil && f.Kind != FaultLimited {
		f.Kind, f.Status = FaultStatus, n
	}
	for _, s := range settings[1:] {
		key, value, _ := strings.Cut(strings.TrimSpace(s), "=")
		var err error
		switch key {
		case "method":
			f.Method = value
		case "path":
			f.Path = value
		case "variant":
			f.Variant = value
		case "retry_after":
			f.RetryAfter = value
		case "skip":
			f.Skip, err = strconv.Atoi(value)
		case "count":
			f.Count, err = strconv.Atoi(value)
		case "status":
			f.Status, err = strconv.Atoi(value)
		case "shift":
			f.Shift, err = strconv.Atoi(value)
		case "delay":
			f.Delay, err = time.ParseDuration(value)
		default:
			return f, fault.New(fault.Usage, "fault %q: unknown setting %q", text, key).
				With("use method, path, skip, count, status, delay, retry_after, variant or shift")
		}
		if err != nil {
			return f, fault.Wrap(err, fault.Usage, "fault %q: %s", text, key)
		}
	}
	return f, f.check()
}
