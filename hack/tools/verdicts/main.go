// Command verdicts judges resources as GitOps tools do: kstatus, Flux and Argo CD.
//
// It reads one JSON document on standard input and writes one on standard output; the types Input
// and Verdict are its whole interface. It knows nothing of the resources that it judges.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

// Input is what is to be judged, and by which rules besides kstatus's own.
type Input struct {
	Resources []unstructured.Unstructured `json:"resources"`
	// Lua is Argo CD's health.lua, by kind.
	Lua map[string]string `json:"lua"`
	// Expressions are Flux's healthCheckExprs.
	Expressions []kustomize.CustomHealthCheck `json:"expressions"`
}

// Verdict is how the three see one resource; Flux is empty where no expression is about its kind.
type Verdict struct {
	Kstatus string `json:"kstatus"`
	Flux    string `json:"flux"`
	Argo    Health `json:"argo"`
}

// Health is what a health.lua returns.
type Health struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

// luaSeconds is how long Argo CD lets a script run.
const luaSeconds = 1

func main() {
	var input Input
	if err := json.NewDecoder(os.Stdin).Decode(&input); err != nil {
		fail(err)
	}
	verdicts := make([]Verdict, 0, len(input.Resources))
	for i := range input.Resources {
		verdict, err := judge(&input.Resources[i], &input)
		if err != nil {
			fail(fmt.Errorf("%s: %w", input.Resources[i].GetName(), err))
		}
		verdicts = append(verdicts, verdict)
	}
	if err := json.NewEncoder(os.Stdout).Encode(verdicts); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "error:", err)
	os.Exit(1)
}

func judge(resource *unstructured.Unstructured, input *Input) (Verdict, error) {
	found, err := status.Compute(resource)
	if err != nil {
		return Verdict{}, err
	}
	verdict := Verdict{Kstatus: found.Status.String()}
	if verdict.Flux, err = byFlux(resource, input.Expressions); err != nil {
		return Verdict{}, err
	}
	if script, ok := input.Lua[resource.GetKind()]; ok {
		verdict.Argo, err = byArgo(resource, script)
	}
	return verdict, err
}

func byFlux(resource *unstructured.Unstructured, checks []kustomize.CustomHealthCheck) (string, error) {
	for _, check := range checks {
		if check.APIVersion != resource.GetAPIVersion() || check.Kind != resource.GetKind() {
			continue
		}
		evaluator, err := cel.NewStatusEvaluator(&check.HealthCheckExpressions)
		if err != nil {
			return "", err
		}
		found, err := evaluator.Evaluate(context.Background(), resource)
		if err != nil {
			return "", err
		}
		return found.Status.String(), nil
	}
	return "", nil
}

// byArgo runs a script as Argo CD runs one of argocd-cm: with these libraries only, and the
// resource in the global obj. The script's result is on top of the stack.
func byArgo(resource *unstructured.Unstructured, script string) (Health, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable,
	} {
		state.Push(state.NewFunction(open))
		state.Push(lua.LString(name))
		state.Call(1, 0)
	}
	ctx, cancel := context.WithTimeout(context.Background(), luaSeconds*time.Second)
	defer cancel()
	state.SetContext(ctx)
	state.SetGlobal("obj", inLua(state, resource.Object))
	if err := state.DoString(script); err != nil {
		return Health{}, err
	}
	result, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return Health{}, fmt.Errorf("the script returned a %s instead of a table", state.Get(-1).Type())
	}
	return Health{
		Status:  lua.LVAsString(result.RawGetString("status")),
		Message: lua.LVAsString(result.RawGetString("message")),
	}, nil
}

func inLua(state *lua.LState, value any) lua.LValue {
	switch known := value.(type) {
	case bool:
		return lua.LBool(known)
	case int64:
		return lua.LNumber(known)
	case float64:
		return lua.LNumber(known)
	case string:
		return lua.LString(known)
	case []any:
		list := state.NewTable()
		for _, item := range known {
			list.Append(inLua(state, item))
		}
		return list
	case map[string]any:
		table := state.NewTable()
		for key, item := range known {
			table.RawSetString(key, inLua(state, item))
		}
		return table
	default:
		return lua.LNil
	}
}
