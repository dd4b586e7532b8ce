// Package cli holds the commands of windlass.
//
// Commands that touch data speak client/ to a server: the one that --server names, the one that listens on the data
// directory's socket, or, where none does, the program itself in process without schedules. So there is one code path.
// Commands are structs with a Run method; nothing here is global, and nothing exits but main.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/config"
	"github.com/windlass-hq/windlass/internal/fault"
)

// The exit codes (DESIGN section 5).
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// Environment is what a command finds around it.
type Environment struct {
	In       io.Reader
	Out, Err io.Writer
	Lookup   func(string) (string, bool)
	// Terminal says whether a person sees Err and answers on In.
	Terminal bool
	// Width returns the columns of the terminal; it may be nil without one.
	Width func() int
	// Prompt asks for a secret without showing it; it may be nil without a terminal.
	Prompt func(label string) (string, error)
	Now    func() time.Time
	// Program is how this program was called, for commands that can be copied; windlass where empty.
	Program string
}

// globals are the flags of every command. Their names and texts come from the table in package config.
type globals struct {
	Config    string `help:"Configuration file; windlass.yaml where it exists." placeholder:"FILE"`
	DataDir   string `help:"${doc_data_dir}" placeholder:"DIR"`
	Database  string `help:"${doc_database}" placeholder:"URL"`
	KeyFile   string `help:"${doc_key_file}" placeholder:"FILE"`
	LogLevel  string `help:"${doc_log_level}" placeholder:"LEVEL"`
	LogFormat string `help:"${doc_log_format}" placeholder:"FORMAT"`
	Server    string `help:"${doc_server}" placeholder:"URL"`
}

type root struct {
	globals

	Demo       demoCmd       `cmd:"" group:"start" help:"Show everything at work on made-up data: sandbox, server, sync, queries."`
	Serve      serveCmd      `cmd:"" group:"start" help:"Run the server: API, schedules, background work."`
	Connect    connectCmd    `cmd:"" group:"data" help:"Connect a Bitbucket."`
	Connection connectionCmd `cmd:"" group:"data" help:"Look after connections and their credentials."`
	Sync       syncCmd       `cmd:"" group:"data" help:"Read a connection now."`
	Runs       runsCmd       `cmd:"" group:"data" help:"List what was read when, and how it ended."`
	Query      queryCmd      `cmd:"" group:"data" help:"Ask the graph a question in J1QL."`
	Hook       hookCmd       `cmd:"" group:"data" help:"Look after the webhooks that deliver to this installation."`
	Delivery   deliveryCmd   `cmd:"" group:"care" help:"Look into what webhooks brought."`
	Jobs       jobsCmd       `cmd:"" group:"care" help:"Look after background jobs."`
	Doctor     doctorCmd     `cmd:"" group:"care" help:"Check the installation."`
	History    historyCmd    `cmd:"" group:"care" help:"Look after how far back history goes."`
	Hold       holdCmd       `cmd:"" group:"care" help:"Keep history from being purged."`
	Key        keyCmd        `cmd:"" group:"care" help:"Look after the key that seals stored credentials."`
	ConfigCmd  configCmd     `cmd:"" name:"config" group:"care" help:"Show the configuration."`
	Sandbox    sandboxCmd    `cmd:"" group:"tools" help:"Run a look-alike of Bitbucket to try things on."`
	OpenAPI    openapiCmd    `cmd:"" name:"openapi" group:"tools" help:"Print the description of the HTTP API."`
	Version    versionCmd    `cmd:"" group:"tools" help:"Print the version."`
}

// exit is how kong's wish to leave (after --help) travels through its parser.
type exit int

// Run executes one command line and returns its exit code.
func Run(ctx context.Context, args []string, env Environment) (code int) {
	defer func() {
		if v := recover(); v != nil {
			e, ok := v.(exit)
			if !ok {
				panic(v)
			}
			code = int(e)
		}
	}()
	var r root
	parser, err := kong.New(&r, options(env)...)
	if err != nil {
		return report(env, fmt.Errorf("build the command line: %w", err))
	}
	k, err := parser.Parse(args)
	if err != nil {
		f := fault.New(fault.Usage, "%s", err.Error())
		if p, ok := errors.AsType[*kong.ParseError](err); ok && p.Context != nil && p.Context.Selected() != nil {
			return report(env, f.With("windlass %s --help shows how", commandName(p.Context)))
		}
		return report(env, f.With("windlass --help lists the commands"))
	}
	cfg, err := loadConfig(k, r.Config, env)
	if err != nil {
		return report(env, err)
	}
	return report(env, k.Run(&session{Environment: env, ctx: ctx, config: cfg}))
}

func options(env Environment) []kong.Option {
	vars := kong.Vars{}
	for _, o := range config.Options() {
		vars["doc_"+strings.ReplaceAll(o.Name, "-", "_")] = o.Doc
	}
	return []kong.Option{
		kong.Name("windlass"),
		kong.Description("Windlass draws everything out of Bitbucket into one live graph that you host."),
		kong.Writers(env.Out, env.Err),
		kong.Exit(func(code int) { panic(exit(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 110}),
		kong.ExplicitGroups([]kong.Group{
			{Key: "start", Title: "Start:"},
			{Key: "data", Title: "Data:"},
			{Key: "care", Title: "Care:"},
			{Key: "tools", Title: "Tools:"},
			{Key: "cred", Title: "Credentials:"},
		}),
		vars,
	}
}

func commandName(k *kong.Context) string {
	var words []string
	for _, p := range k.Path {
		if p.Command != nil {
			words = append(words, p.Command.Name)
		}
	}
	return strings.Join(words, " ")
}

// loadConfig merges file, environment and the flags that were really given.
func loadConfig(k *kong.Context, file string, env Environment) (config.Config, error) {
	known := map[string]bool{}
	for _, o := range config.Options() {
		known[o.Name] = !o.EnvOnly
	}
	flags := map[string]string{}
	for _, p := range k.Path {
		if p.Flag != nil && known[p.Flag.Name] {
			flags[p.Flag.Name] = fmt.Sprint(k.FlagValue(p.Flag))
		}
	}
	if file == "" && env.Lookup != nil {
		file, _ = env.Lookup("WINDLASS_CONFIG")
	}
	return config.Load(config.Sources{File: file, Lookup: env.Lookup, Flags: flags})
}

// silent is a failure that was already explained on the way.
type silent struct{ error }

// report prints an error as what happened, why, and what to do, and returns the exit code.
func report(env Environment, err error) int {
	if err == nil {
		return exitDone
	}
	if _, ok := errors.AsType[silent](err); ok {
		return exitFailed
	}
	detail, remedy, code := err.Error(), "", string(fault.CodeOf(err))
	if remedy = fault.RemedyOf(err); remedy != "" {
		detail = strings.Replace(detail, " ("+remedy+")", "", 1) // it gets a line of its own
	}
	if c, ok := errors.AsType[*client.Error](err); ok {
		bare := *c
		bare.Remedy = ""
		detail, remedy, code = bare.Error(), c.Remedy, c.Code
	}
	if errors.Is(err, context.Canceled) {
		detail, remedy = "stopped", ""
	}
	fmt.Fprintf(env.Err, "windlass: %s\n", strings.TrimSpace(detail))
	if remedy != "" {
		fmt.Fprintf(env.Err, "          %s\n", sentence(remedy))
	}
	if code == string(fault.Usage) {
		return exitUsage
	}
	return exitFailed
}

// sentence makes a remedy stand on a line of its own. What is typed as it stands (a command, a file, an option) keeps
// its first letter.
func sentence(s string) string {
	first, _, _ := strings.Cut(s, " ")
	if s == "" || first == "windlass" || strings.ContainsAny(strings.TrimRight(first, ".,:;"), "-/._") {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
