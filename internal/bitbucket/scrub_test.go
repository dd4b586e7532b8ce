package bitbucket_test

import (
	"testing"

	"github.com/windlass-hq/windlass/internal/bitbucket"
)

func TestScrub(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"nothing", `{"id":1, "text":"plain @ann = x"}`, `{"id":1, "text":"plain @ann = x"}`},
		{"members", `{"a":1,"Password":"x","nested":[{"clientSecret":{"v":1},"b":2}],"accessToken":"t"}`, `{"a":1,"nested":[{"b":2}]}`},
		{"first member", `{"token":"x","a":1}`, `{"a":1}`},
		{"flags stay", `{"secret_set":true,"token":null,"x":1}`, `{"secret_set":true,"token":null,"x":1}`},
		{"user information", `{"href":"https://ann:pw@host/x"}`, `{"href":"https://•••@host/x"}`},
		{"user alone", `{"href":"see https://ann@host/x and http://bob:p@h"}`, `{"href":"see https://•••@host/x and http://•••@h"}`},
		{"at in password", `{"href":"https://ann:p@w@host/x"}`, `{"href":"https://•••@host/x"}`},
		{"escaped slashes", `{"href":"https:\/\/ann:pw@host\/x"}`, `{"href":"https://•••@host/x"}`},
		{"no user information", `{"t":"https://host/@ann and mailto:a@b","u":"git@host:a/b.git"}`, `{"t":"https://host/@ann and mailto:a@b","u":"git@host:a/b.git"}`},
		{"SSH login", `{"a":"ssh://git@host:7999/a/b.git","b":"ssh:\/\/git@host","c":"ssh://ann:pw@host","d":"https://git@host"}`, `{"a":"ssh://git@host:7999/a/b.git","b":"ssh:\/\/git@host","c":"ssh://•••@host","d":"https://•••@host"}`},
		{"query", `{"u":"https://h/p?a=1&access_token=abc&b=2"}`, `{"u":"https://h/p?a=1&access_token=•••&b=2"}`},
		{"amp entity", `{"u":"https://h/p?a=1&amp;token=abc&amp;b=2"}`, `{"u":"https://h/p?a=1&amp;token=•••&amp;b=2"}`},
		{"jwt and signature", `{"u":"https://h/p?jwt=abc","v":"https://h/p?X-Amz-Signature=abc#f"}`, `{"u":"https://h/p?jwt=•••","v":"https://h/p?X-Amz-Signature=•••#f"}`},
		{"harmless query", `{"u":"https://h/p?page=2&monkey=1"}`, `{"u":"https://h/p?page=2&monkey=1"}`},
		{"array of texts", `["https://a:b@h","x"]`, `["https://•••@h","x"]`},
		{"quotes around", `{"t":"say \"https://a:b@h\" twice"}`, `{"t":"say \"https://•••@h\" twice"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := bitbucket.Scrub(bitbucket.JSON(tc.in))
			if string(got) != tc.want {
				t.Errorf("Scrub(%s)\n got %s\nwant %s", tc.in, got, tc.want)
			}
			if !got.Valid() {
				t.Error("the result is no JSON")
			}
		})
	}
}
