package cli

import (
	"fmt"
	"strconv"

	"github.com/windlass-hq/windlass/client"
)

type jobsCmd struct {
	List   jobsListCmd   `cmd:"" help:"List background jobs, the newest first."`
	Retry  jobsRetryCmd  `cmd:"" help:"Run a job again now."`
	Cancel jobsCancelCmd `cmd:"" help:"Cancel a job."`
}

type jobsListCmd struct {
	State string `enum:",waiting,running,retrying,done,canceled,dead" default:"" help:"Only jobs in this state: waiting, running, retrying, done, canceled or dead." placeholder:"STATE"`
	Limit int    `default:"50" help:"How many." placeholder:"N"`
	listing
}

// Help implements kong.HelpProvider.
func (jobsListCmd) Help() string { return "Example:\n  windlass jobs list --state retrying" }

// Run lists.
func (c jobsListCmd) Run(s *session) error {
	return s.with(func(d door) error {
		list, err := d.Jobs(s.ctx, client.JobFilter{State: c.State, Limit: c.Limit})
		if err != nil {
			return err
		}
		rows := make([][]string, len(list))
		for i, j := range list {
			rows[i] = []string{
				strconv.FormatInt(j.ID, 10), j.Kind, j.Subject, j.State, strconv.Itoa(j.Attempt),
				moment(j.Since), momentOf(j.Next), firstLineOf(j.Error),
			}
		}
		return c.print(s.Out, list, []string{"job", "kind", "subject", "state", "attempt", "since", "next", "error"}, rows)
	})
}

type jobsRetryCmd struct {
	ID int64 `arg:"" help:"Id of the job."`
}

// Help implements kong.HelpProvider.
func (jobsRetryCmd) Help() string { return "Example:\n  windlass jobs retry 42" }

// Run retries.
func (c jobsRetryCmd) Run(s *session) error {
	return s.with(func(d door) error {
		j, err := d.RetryJob(s.ctx, c.ID)
		if err == nil {
			fmt.Fprintf(s.Out, "Job %d (%s) is %s.\n", j.ID, j.Kind, j.State)
		}
		return err
	})
}

type jobsCancelCmd struct {
	ID int64 `arg:"" help:"Id of the job."`
}

// Help implements kong.HelpProvider.
func (jobsCancelCmd) Help() string { return "Example:\n  windlass jobs cancel 42" }

// Run cancels.
func (c jobsCancelCmd) Run(s *session) error {
	return s.with(func(d door) error {
		j, err := d.CancelJob(s.ctx, c.ID)
		if err == nil {
			fmt.Fprintf(s.Out, "Job %d (%s) is %s.\n", j.ID, j.Kind, j.State)
		}
		return err
	})
}
