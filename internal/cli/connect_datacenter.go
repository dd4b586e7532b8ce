package cli

import (
	"fmt"
	"strings"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/fault"
)

type connectDataCenterCmd struct {
	Name    string `arg:"" help:"Name of the connection."`
	URL     string `name:"url" required:"" help:"Address of the Bitbucket, as the browser shows it." placeholder:"URL"`
	Project string `help:"Only these projects, by key, separated by commas; the whole instance where absent." placeholder:"KEY,…"`
	tokenFlag
	passwordFlags
	SSHPort        int    `name:"ssh-port" default:"22" help:"Port of git by SSH." placeholder:"PORT"`
	SameInstanceAs string `name:"same-instance-as" help:"Another connection to the same instance under another URL: what both see is one." placeholder:"NAME"`
	readingFlags
	networkFlags
	outcomeFlags
}

// Help implements kong.HelpProvider.
func (connectDataCenterCmd) Help() string {
	return `Checks the credentials, says what a first read takes, asks before a whole instance is connected, stores the connection, and
reads nothing else. Several tokens with commas share the work; together they see what any of them sees.

How hard the instance is asked, over all processes: --set rate=5 (calls a second), --set in-flight=4, --set hours=22:00-06:00.

Examples:
  windlass connect datacenter corp --url https://bitbucket.example.com --token @token.txt --project ENG,OPS
  windlass connect datacenter corp --url https://example.com/bitbucket --username windlass --password - --yes`
}

// Run makes the connection.
func (c connectDataCenterCmd) Run(s *session) error {
	if err := checkName(c.Name); err != nil {
		return err
	}
	projects := split(c.Project)
	if c.Project != "" && len(projects) == 0 {
		return fault.New(fault.Usage, "--project names no project").With("give keys such as ENG, or leave it out for the whole instance")
	}
	whole := len(projects) == 0 && c.Set["projects"] == ""
	if whole && !c.Yes && (!s.Terminal || c.Output == "json") {
		return fault.New(fault.Usage, "this connects a whole Bitbucket Data Center, and there is no terminal to ask on").
			With("add --yes, or name projects with --project")
	}
	creds, err := allFlags(consumerFlags{}, c.tokenFlag, c.passwordFlags).read(s, "", "datacenter")
	if err != nil {
		return err
	}
	settings := c.settings(c.networkFlags)
	settings["url"], settings["projects"] = c.URL, strings.Join(projects, ",")
	if c.SSHPort != 22 {
		settings["ssh-port"] = fmt.Sprint(c.SSHPort)
	}
	n := c.connection(c.Name, "datacenter", settings, creds)
	return s.with(func(d door) error {
		if c.SameInstanceAs != "" {
			id, err := instanceOf(s, d, c.SameInstanceAs)
			if err != nil {
				return err
			}
			n.Settings["instance"] = id
		}
		asks := s.Terminal && !c.Yes && c.Output != "json"
		if asks {
			ok, err := c.preview(s, d, &n, whole)
			if err != nil {
				return err
			}
			if !ok {
				fmt.Fprintln(s.Out, "Nothing was connected.")
				return silent{fault.New(fault.Canceled, "not confirmed")}
			}
		}
		got, err := d.Connect(s.ctx, n)
		if err != nil {
			return err
		}
		return c.print(s, got, asks)
	})
}

// preview shows what would be connected and asks what only a person knows: whether another connection to the URL is to
// the same instance, and whether all of it is to be read.
func (c connectDataCenterCmd) preview(s *session, d door, n *client.NewConnection, whole bool) (bool, error) {
	check, err := d.Preflight(s.ctx, *n)
	if err != nil {
		return false, err
	}
	n.NoPreflight = true
	printCheck(s, check)
	if i := check.Instance; i != nil && len(i.Same) > 0 && n.Settings["instance"] == "" {
		same, err := s.confirm(fmt.Sprintf("%s to this URL: %s. Is it the same Bitbucket, so that what both see is one?", there(len(i.Same)), strings.Join(i.Same, ", ")))
		if err != nil {
			return false, err
		}
		if !same {
			n.Settings["instance"] = "new"
		}
	}
	if i := check.Instance; i != nil && i.Like != "" && n.Settings["instance"] == "" {
		same, err := s.confirm("Is it the same Bitbucket as " + i.Like + ", so that what both see is one?")
		if err != nil {
			return false, err
		}
		n.Settings["instance"] = "new"
		if same {
			if n.Settings["instance"], err = instanceOf(s, d, i.Like); err != nil {
				return false, err
			}
		}
	}
	if !whole {
		return true, nil
	}
	return s.confirm("Connect the whole instance?")
}

// instanceOf returns the id of the instance that a connection is to.
func instanceOf(s *session, d door, name string) (string, error) {
	other, err := d.Connection(s.ctx, name)
	if err != nil {
		return "", err
	}
	if other.Product != "datacenter" {
		return "", fault.New(fault.Usage, "--same-instance-as %s: that is no connection to a Data Center", name)
	}
	return other.Settings["instance"], nil
}

func there(connections int) string {
	if connections == 1 {
		return "There is another connection"
	}
	return "There are other connections"
}
