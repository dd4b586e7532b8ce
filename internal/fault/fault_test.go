package fault_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/windlass-hq/windlass/internal/fault"
)

func TestCodeSurvivesWrapping(t *testing.T) {
	err := fmt.Errorf("outer: %w", fault.New(fault.NotFound, "no connection %q", "acme").With("see connection list"))
	if got, want := fault.CodeOf(err), fault.NotFound; got != want {
		t.Errorf("CodeOf = %q, want %q", got, want)
	}
	if got, want := fault.RemedyOf(err), "see connection list"; got != want {
		t.Errorf("RemedyOf = %q, want %q", got, want)
	}
	if got, want := err.Error(), `outer: no connection "acme" (see connection list)`; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
}

func TestForeignErrorsAreInternal(t *testing.T) {
	if got, want := fault.CodeOf(errors.New("x")), fault.Internal; got != want {
		t.Errorf("CodeOf = %q, want %q", got, want)
	}
	if got := fault.CodeOf(nil); got != "" {
		t.Errorf("CodeOf(nil) = %q, want empty", got)
	}
	if fault.Is(nil, fault.Internal) {
		t.Error("Is(nil, Internal) = true")
	}
}

func TestInnerRemedyIsFound(t *testing.T) {
	inner := fault.New(fault.Unavailable, "connection refused").With("start the server")
	if got, want := fault.RemedyOf(fault.Wrap(inner, fault.Unavailable, "sync failed")), "start the server"; got != want {
		t.Errorf("RemedyOf = %q, want %q", got, want)
	}
	if got := fault.RemedyOf(errors.New("x")); got != "" {
		t.Errorf("RemedyOf(foreign) = %q, want empty", got)
	}
}
