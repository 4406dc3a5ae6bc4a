package controlplane

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
)

// Stored is an object as etcd holds it.
type Stored struct {
	// Key is where kube-apiserver keeps it below its prefix: "pods/NAMESPACE/NAME",
	// "namespaces/NAME", "minions/NAME".
	Key string
	// Object is of core/v1 or networking.k8s.io/v1, and complete: nobody fills in
	// defaults, nor the UID and the time of its making.
	Object runtime.Object
}

const (
	registry = "/registry/" // kube-apiserver's --etcd-prefix
	// storedTogether is how many objects one transaction of etcd writes; its limit is
	// 128 (--max-txn-ops).
	storedTogether = 100
)

// Store writes objects into etcd as the API server would have stored them, without its
// work of checking each: a large population takes seconds and not minutes. The API
// server hears of them from etcd and serves them like its own.
func (s *Server) Store(ctx context.Context, objects iter.Seq[Stored]) error {
	type put struct {
		Key   []byte `json:"key"`
		Value []byte `json:"value"`
	}
	type operation struct {
		Put put `json:"requestPut"`
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), networkingv1.AddToScheme(scheme)); err != nil {
		return err
	}
	codec := protobuf.NewSerializer(scheme, scheme)
	var batch []operation
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := s.askEtcd(ctx, "kv/txn", map[string]any{"success": batch})
		batch = batch[:0]
		return err
	}
	for o := range objects {
		kinds, _, err := scheme.ObjectKinds(o.Object)
		if err != nil {
			return fmt.Errorf("encoding %s: %w", o.Key, err)
		}
		o.Object.GetObjectKind().SetGroupVersionKind(kinds[0])
		var value bytes.Buffer
		if err := codec.Encode(o.Object, &value); err != nil {
			return fmt.Errorf("encoding %s: %w", o.Key, err)
		}
		batch = append(batch, operation{put{[]byte(registry + o.Key), value.Bytes()}})
		if len(batch) == storedTogether {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// askEtcd sends a request to etcd's gateway for JSON (etcd, "Why gRPC gateway").
func (s *Server) askEtcd(ctx context.Context, method string, question any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://127.0.0.1:"+strconv.Itoa(s.etcdPort)+"/v3/"+method, bytes.NewReader(body))
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DialContext: s.Dial}}
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("etcd %s: %s: %s", method, response.Status, text)
	}
	return err
}
