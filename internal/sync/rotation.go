package sync

import (
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
)

const (
	day  = 24 * time.Hour
	week = 7 * day
)

// Cadence is how often the list of a name is read (HARD-PARTS B, polling only; DESIGN section 6): what protects
// branches daily, what hardly changes every four weeks, so that a repository costs at most seven lists a week beside the
// daily one. Zero is for lists that every run reads.
func Cadence(listing string) time.Duration {
	switch listing {
	case bitbucket.ListRestrictions:
		return day
	case bitbucket.ListGroups, bitbucket.ListGroupMembers, bitbucket.ListUserPermissions, bitbucket.ListGroupPermissions,
		bitbucket.ListDefaultPermission, bitbucket.ListReviewers, bitbucket.ListWebhooks, bitbucket.ListKeys, bitbucket.ListBranches:
		return week
	case bitbucket.ListEnvironments:
		return 4 * week
	}
	return 0
}

// Lag is how much older than a run what a list shows may be: its cadence, and for pull requests a day, since
// repositories where nothing happens are listed daily.
func Lag(listing string) time.Duration {
	if listing == pullRequests {
		return day
	}
	return Cadence(listing)
}

// SettingsPerWeek is how many calls a week the settings of one repository take: a call for each of its lists whenever
// that is due.
func SettingsPerWeek(p bitbucket.Product) float64 {
	lists := []string{
		bitbucket.ListRestrictions, bitbucket.ListUserPermissions, bitbucket.ListGroupPermissions, bitbucket.ListReviewers,
		bitbucket.ListWebhooks, bitbucket.ListKeys, bitbucket.ListBranches,
	}
	if p == bitbucket.Cloud {
		lists = append(lists, bitbucket.ListEnvironments)
	}
	n := 0.0
	for _, l := range lists {
		n += float64(week) / float64(Cadence(l))
	}
	return n
}

// settingsLists are the names of the lists that rotate.
func settingsLists() []string {
	return []string{
		bitbucket.ListGroups, bitbucket.ListGroupMembers, bitbucket.ListUserPermissions, bitbucket.ListGroupPermissions,
		bitbucket.ListDefaultPermission, bitbucket.ListRestrictions, bitbucket.ListReviewers, bitbucket.ListWebhooks,
		bitbucket.ListKeys, bitbucket.ListBranches, bitbucket.ListEnvironments,
	}
}

// onPermissions reports whether a list is about permissions, which an option of the connection switches off.
func onPermissions(listing string) bool {
	switch listing {
	case bitbucket.ListUserPermissions, bitbucket.ListGroupPermissions, bitbucket.ListDefaultPermission:
		return true
	}
	return false
}

const (
	// accountCadence is for the few lists of an account, which say who is in it.
	accountCadence = day
	// retry is how soon a list is asked again that failed or did not come to its end.
	retry = time.Hour
	// restrictionShare is how much of an hourly allowance the daily lists may take; with more repositories than that
	// holds they are read less often (DESIGN section 6).
	restrictionShare = 0.3
)

// due says when a list is to be read again after it ended in a state. perHour is how many calls an hour are granted to
// all credentials together, 0 where nobody says.
func (p *pass) due(listing, parentType string, now time.Time, ended bool) time.Time {
	every := Cadence(listing)
	if isAccount(parentType) {
		every = min(every, accountCadence)
	}
	if perHour := p.reader.Allowance(); listing == bitbucket.ListRestrictions && perHour > 0 {
		hours := float64(p.count) / (restrictionShare * float64(perHour))
		every = min(max(every, time.Duration(hours*float64(time.Hour))), week)
	}
	if !ended {
		every = min(every, retry)
	}
	return now.Add(every)
}

// The weights by which the kinds of background work take turns: what is current first, history and settings so that
// neither waits for the end of the other.
const (
	currentWeight  = 7
	historyWeight  = 2
	settingsWeight = 1
)

// inTurn merges the kinds of work by their weights; each keeps its order.
func inTurn(current, history, settings []item) []item {
	out := make([]item, 0, len(current)+len(history)+len(settings))
	take := func(from *[]item, n int) {
		n = min(n, len(*from))
		out, *from = append(out, (*from)[:n]...), (*from)[n:]
	}
	for len(current)+len(history)+len(settings) > 0 {
		take(&current, currentWeight)
		take(&settings, settingsWeight)
		take(&history, historyWeight)
	}
	return out
}
