// Command bus-client uses NATS as Coze Studio's back end does, by the facts that its public code
// shows: it asks for the stream before each event and makes it where there is none, publishes and
// waits for the acknowledgement, and pulls one message at a time through a durable consumer that it
// never binds to. It shares no code with it.
//
// Usage: bus-client URL TOPIC GROUP. Lines on standard input: "send TEXT" publishes, "take" fetches
// one message and acknowledges it, "refuse" fetches one and asks for it again at once, "subscribe"
// begins anew. Each is answered by one line of JSON on standard output.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// answer says what became of one line.
type answer struct {
	Error    string `json:"error"`
	Text     string `json:"text"`
	Sequence uint64 `json:"sequence"`
}

type client struct {
	js    nats.JetStreamContext
	topic string
	group string
	sub   *nats.Subscription
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: bus-client URL TOPIC GROUP")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(url, topic, group string) error {
	connection, err := nats.Connect(url, nats.MaxReconnects(-1))
	if err != nil {
		return err
	}
	defer connection.Close()
	js, err := connection.JetStream()
	if err != nil {
		return err
	}
	c := &client{js: js, topic: topic, group: group}
	out := json.NewEncoder(os.Stdout)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		found, err := c.do(lines.Text())
		if err != nil {
			found.Error = err.Error()
		}
		if err := out.Encode(found); err != nil {
			return err
		}
	}
	return lines.Err()
}

func (c *client) do(line string) (answer, error) {
	verb, text, _ := strings.Cut(line, " ")
	switch verb {
	case "subscribe":
		return answer{}, c.subscribe()
	case "send":
		return c.send(text)
	case "take":
		return c.fetch((*nats.Msg).AckSync)
	case "refuse":
		return c.fetch((*nats.Msg).Nak)
	}
	return answer{}, fmt.Errorf("unknown: %s", verb)
}

// ensureStream makes the topic's stream if there is none.
func (c *client) ensureStream() error {
	name := strings.ReplaceAll(c.topic, ".", "_") + "_STREAM"
	_, err := c.js.StreamInfo(name)
	if !errors.Is(err, nats.ErrStreamNotFound) {
		return err
	}
	_, err = c.js.AddStream(&nats.StreamConfig{
		Name:     name,
		Subjects: []string{c.topic},
		Storage:  nats.FileStorage,
		MaxAge:   24 * time.Hour,
		MaxMsgs:  1_000_000,
		MaxBytes: 1 << 30,
	})
	return err
}

func (c *client) subscribe() error {
	if err := c.ensureStream(); err != nil {
		return err
	}
	sub, err := c.js.PullSubscribe(c.topic, c.group)
	c.sub = sub
	return err
}

func (c *client) send(text string) (answer, error) {
	if err := c.ensureStream(); err != nil {
		return answer{}, err
	}
	stored, err := c.js.Publish(c.topic, []byte(text))
	if err != nil {
		return answer{}, err
	}
	return answer{Text: text, Sequence: stored.Sequence}, nil
}

// fetch takes one message; the zero answer says that there was none.
func (c *client) fetch(settle func(*nats.Msg, ...nats.AckOpt) error) (answer, error) {
	if c.sub == nil {
		return answer{}, errors.New("not subscribed")
	}
	found, err := c.sub.Fetch(1, nats.MaxWait(time.Second))
	if errors.Is(err, nats.ErrTimeout) {
		return answer{}, nil
	}
	if err != nil || len(found) == 0 {
		return answer{}, err
	}
	told, err := found[0].Metadata()
	if err != nil {
		return answer{}, err
	}
	taken := answer{Text: string(found[0].Data), Sequence: told.Sequence.Stream}
	return taken, settle(found[0])
}
