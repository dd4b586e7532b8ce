package main

import (
	"fmt"
	"strings"
)

// A product is one of the two Bitbuckets, by the name that `windlass connect` has for it.
type product string

const (
	cloud      product = "cloud"
	dataCenter product = "datacenter"
)

// mostConsumers is how many credentials of different principals the sandbox knows of each product.
const mostConsumers = 9

func (p product) title() string {
	if p == dataCenter {
		return "Bitbucket Data Center"
	}
	return "Bitbucket Cloud"
}

// repositories is how many repositories a page holds at most (FACTS 53, 122).
func (p product) repositories() int {
	if p == dataCenter {
		return 1000
	}
	return 100
}

// pulls is how many pull requests a page holds at most: the sandbox's Data Center grants 100 (FACTS 51, 122).
func (p product) pulls() int {
	if p == dataCenter {
		return 100
	}
	return 50
}

// flags are those of `windlass connect` that name the sandbox at a URL and the first credentials of it.
func (p product) flags(url string, consumers int) []string {
	several := func(name string) string {
		all := []string{name}
		for i := 2; i <= consumers; i++ {
			all = append(all, fmt.Sprintf("%s-%d", name, i))
		}
		return strings.Join(all, ",")
	}
	if p == dataCenter {
		return []string{"--url", url + "/dc", "--token", several("sandbox-token")}
	}
	return []string{
		"--workspace", "all", "--client-key", several("sandbox-key"), "--client-secret", several("sandbox-secret"),
		"--api-url", url + "/cloud/2.0", "--site-url", url + "/cloud",
	}
}
