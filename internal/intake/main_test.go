package intake_test

import (
	"os"
	"testing"

	"github.com/windlass-hq/windlass/internal/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }
