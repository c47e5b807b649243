// Package sortition is what an origin says to and hears from Sortition: decisions, exposures, conversions. The standard
// library alone.
package sortition

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	quoted = `"((?:[ !#-\[\]-~]|\\["\\])*)"`
	token  = "[A-Za-z*][A-Za-z0-9_!#$%&'*+\\-.^`|~:/]*"
	rest   = "(?:;[ ]*[a-z*][a-z0-9_\\-.*]*(?:=(?:[A-Za-z0-9_!#$%&'*+\\-.^`|~:/?]+|\"(?:[ !#-\\[\\]-~]|\\\\[\"\\\\])*\"))?)*"
)

var (
	item    = regexp.MustCompile(`^([a-z*][a-z0-9_\-.*]*)=(?:` + quoted + `|(` + token + `))` + rest)
	comma   = regexp.MustCompile(`^[ \t]*,[ \t]*`)
	escaped = regexp.MustCompile(`\\(.)`)
	starred = regexp.MustCompile(`^\*[0-9]`)
)

// Variants reads Sortition-Variants, an RFC 9651 dictionary. What is no such thing says nothing.
func Variants(header string) map[string]string {
	text := strings.Trim(header, " ")
	found := map[string]string{}
	for text != "" {
		match := item.FindStringSubmatchIndex(text)
		if match == nil {
			return map[string]string{}
		}
		name := text[match[2]:match[3]]
		// A name that starts with a digit is written behind a star.
		if starred.MatchString(name) {
			name = name[1:]
		}
		if match[6] >= 0 {
			found[name] = text[match[6]:match[7]]
		} else {
			found[name] = escaped.ReplaceAllString(text[match[4]:match[5]], "$1")
		}
		text = text[match[1]:]
		if text == "" {
			break
		}
		length := len(comma.FindString(text))
		if length == 0 || length == len(text) {
			return map[string]string{}
		}
		text = text[length:]
	}
	return found
}

// Expose is the value of Sortition-Expose: the experiments that this answer really rendered.
func Expose(experiments ...string) string {
	seen := map[string]bool{}
	var names []string
	for _, name := range experiments {
		if seen[name] || name == "" {
			continue
		}
		seen[name] = true
		if name[0] < 'a' || name[0] > 'z' {
			name = strconv.Quote(name)
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

func tag(secret, text string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

// Sign is the value of Sortition-Signature for a body, at a time.
func Sign(body, secret string, at time.Time) string {
	seconds := strconv.FormatInt(at.Unix(), 10)
	return "t=" + seconds + ",v1=" + tag(secret, seconds+"."+body)
}

// Proof lets a page say that a visitor is a user: the third argument of sortition.identify.
func Proof(anonymousID, userID, secret string) string {
	return tag(secret, anonymousID+"."+userID)
}

// SignedUser is the user cookie of visitor.user_signed.
func SignedUser(user, secret string) string {
	return user + "." + tag(secret, "user."+user)
}

// Client talks to a worker. What fails for the moment (no connection, 429, 5xx) is tried Tries times, after Wait, twice
// that, and so on.
type Client struct {
	// URL is a page's address of the shop.
	URL string
	// Secret is the worker's INGEST_SECRET.
	Secret string
	// Token is the worker's API_TOKEN.
	Token string
	// Tries is how often; 5 where it is 0.
	Tries int
	// Wait is the first pause; a second where it is 0.
	Wait time.Duration
	// HTTP sends; one with a timeout of ten seconds where it is nil.
	HTTP *http.Client
}

// Report reports events of this server; each names its anonymous_id or user_id. A retry is recorded once.
func (client *Client) Report(ctx context.Context, events ...map[string]any) error {
	named := make([]map[string]any, 0, len(events))
	for _, event := range events {
		id := make([]byte, 16)
		if _, err := rand.Read(id); err != nil {
			return err
		}
		one := map[string]any{"type": "experiment_converted", "id": hex.EncodeToString(id)}
		for field, value := range event {
			one[field] = value
		}
		named = append(named, one)
	}
	body, err := json.Marshal(map[string]any{"events": named})
	if err != nil {
		return err
	}
	_, err = client.post(ctx, "conversions", body, func() (string, string) {
		return "Sortition-Signature", Sign(string(body), client.Secret, time.Now())
	})
	return err
}

// Choose asks for decisions: units, names, tags, url, attributes, expose; the answer goes into decisions and revision.
func (client *Client) Choose(ctx context.Context, question map[string]any) (map[string]any, error) {
	body, err := json.Marshal(question)
	if err != nil {
		return nil, err
	}
	text, err := client.post(ctx, "choose", body, func() (string, string) {
		return "Authorization", "Bearer " + client.Token
	})
	if err != nil {
		return nil, err
	}
	var answer map[string]any
	return answer, json.Unmarshal(text, &answer)
}

func (client *Client) post(ctx context.Context, path string, body []byte, header func() (string, string)) ([]byte, error) {
	target, err := url.Parse(client.URL)
	if err != nil {
		return nil, err
	}
	target = target.ResolveReference(&url.URL{Path: "/_sortition/" + path})
	tries, wait, sender := client.Tries, client.Wait, client.HTTP
	if tries <= 0 {
		tries = 5
	}
	if wait <= 0 {
		wait = time.Second
	}
	if sender == nil {
		sender = &http.Client{Timeout: 10 * time.Second}
	}
	for tried := 1; ; tried++ {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		name, value := header()
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set(name, value)
		pause := wait << (tried - 1)
		answer, problem := sender.Do(request)
		if problem == nil {
			var text []byte
			text, problem = io.ReadAll(io.LimitReader(answer.Body, 4<<20))
			answer.Body.Close()
			if problem == nil && answer.StatusCode < 300 {
				return text, nil
			}
			if problem == nil {
				problem = fmt.Errorf("sortition answers %d: %s", answer.StatusCode, text)
			}
			if answer.StatusCode != http.StatusTooManyRequests && answer.StatusCode < 500 {
				return nil, problem
			}
			if asked, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil && asked > 0 {
				pause = time.Duration(asked) * time.Second
				if pause > time.Minute {
					pause = time.Minute
				}
			}
		}
		if tried >= tries {
			return nil, problem
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %v", ctx.Err(), problem)
		case <-time.After(pause):
		}
	}
}
