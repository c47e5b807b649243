// Command probe does with the client what standard input asks, and prints what came of it: the same program in every
// language.
package main

import (
	"context"
	"encoding/json"
	"os"
	"sort"
	"time"

	sortition "github.com/sortition/sortition/clients/go"
)

type asked struct {
	URL, Secret, Token, Body string
	Tries                    int
	Seconds                  int64
	Headers, Exposed, IDs    []string
	Events                   []map[string]any
	Question                 map[string]any
}

func caught(value any, err error) map[string]any {
	if err != nil {
		return map[string]any{"error": err.Error()}
	}
	return map[string]any{"value": value}
}

func main() {
	var ask asked
	if err := json.NewDecoder(os.Stdin).Decode(&ask); err != nil {
		panic(err)
	}
	client := &sortition.Client{URL: ask.URL, Secret: ask.Secret, Token: ask.Token, Tries: ask.Tries, Wait: 50 * time.Millisecond}
	all := [][][2]string{}
	for _, header := range ask.Headers {
		pairs := [][2]string{}
		for name, value := range sortition.Variants(header) {
			pairs = append(pairs, [2]string{name, value})
		}
		sort.Slice(pairs, func(i, j int) bool { return pairs[i][0] < pairs[j][0] })
		all = append(all, pairs)
	}
	answer := map[string]any{
		"variants":    all,
		"expose":      sortition.Expose(ask.Exposed...),
		"sign":        sortition.Sign(ask.Body, ask.Secret, time.Unix(ask.Seconds, 0)),
		"proof":       sortition.Proof(ask.IDs[0], ask.IDs[1], ask.Secret),
		"signed_user": sortition.SignedUser(ask.IDs[1], ask.Secret),
	}
	if ask.Events != nil {
		answer["report"] = caught(nil, client.Report(context.Background(), ask.Events...))
	}
	if ask.Question != nil {
		value, err := client.Choose(context.Background(), ask.Question)
		answer["choose"] = caught(value, err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(answer); err != nil {
		panic(err)
	}
}
