package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/embed"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// readyWithin bounds the start of all parts together.
const readyWithin = 2 * time.Minute

// cluster is a running cluster, all of it on loopback and on ports of the system's choice.
type cluster struct {
	dir  string
	pki  *pki
	api  string // https://127.0.0.1:PORT
	etcd string // http://127.0.0.1:PORT
	// ended gets the error of the first part that ends by itself.
	ended chan error
	parts []*exec.Cmd
	// start runs a function on the one thread that starts parts: the kernel ends a part together with the thread that
	// started it, so that no part outlives this process, however it ends.
	start chan func()
	// endContainers ends the node whose pods really run; nil when there is none.
	endContainers func()
}

func newClusterCommand() *cobra.Command {
	var dir string
	command := &cobra.Command{
		Use:           "cluster",
		Short:         "Runs a cluster until standard input ends, then removes DIR; a line of input adds a node that runs containers",
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(command *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(command.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			// Whoever started this holds the other end of the pipe; it closes with that process, even if it is killed.
			asked := make(chan string, 8)
			go func() {
				lines := bufio.NewScanner(os.Stdin)
				for lines.Scan() {
					asked <- lines.Text()
				}
				stop()
			}()
			return run(ctx, dir, asked)
		},
	}
	command.Flags().StringVar(&dir, "dir", "", "a directory that is there for the cluster alone")
	_ = command.MarkFlagRequired("dir")
	return command
}

func run(ctx context.Context, dir string, asked <-chan string) error {
	c := &cluster{dir: dir, ended: make(chan error, 8), start: make(chan func())}
	defer os.RemoveAll(dir)
	defer c.end()
	go func() {
		runtime.LockOSThread()
		for f := range c.start {
			f()
		}
	}()
	if err := c.up(ctx); err != nil {
		return err
	}
	fmt.Println("ready")
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-c.ended:
			return err
		case <-asked:
			// What does not come up is no reason for the rest to end.
			if err := c.startContainers(ctx); err != nil {
				fmt.Println("no containers: " + strings.ReplaceAll(err.Error(), "\n", "; "))
			} else {
				fmt.Println("ready")
			}
		}
	}
}

func (c *cluster) up(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return err
	}
	server, err := c.startEtcd()
	if err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	select {
	case <-server.Server.ReadyNotify():
	case <-ctx.Done():
		return errors.New("etcd is not ready in time")
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	c.api = fmt.Sprintf("https://127.0.0.1:%d", port)
	if c.pki, err = newPKI(filepath.Join(c.dir, "pki")); err != nil {
		return err
	}
	if err := c.writeKubeconfig(); err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	if err := c.startAPIServer(port); err != nil {
		return err
	}
	if err := c.until(ctx, "the API server", func() error { return get(ctx, client, "/livez/ping") }); err != nil {
		return err
	}
	if err := c.startControllers(); err != nil {
		return err
	}
	node := newNode(client)
	if err := node.start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	return c.until(ctx, "the cluster", func() error {
		if err := get(ctx, client, "/readyz"); err != nil {
			return err
		}
		_, err := client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}

// startEtcd runs the store in this process. It does not wait for the disk: nothing of it is needed after a crash.
func (c *cluster) startEtcd() (*embed.Etcd, error) {
	client, err := freeURL()
	if err != nil {
		return nil, err
	}
	peer, err := freeURL()
	if err != nil {
		return nil, err
	}
	config := embed.NewConfig()
	config.Dir = filepath.Join(c.dir, "etcd")
	config.LogLevel, config.LogOutputs = "warn", []string{c.log("etcd")}
	config.UnsafeNoFsync = true
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{*client}, []url.URL{*client}
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{*peer}, []url.URL{*peer}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	c.etcd = client.String()
	return embed.StartEtcd(config)
}

func (c *cluster) startAPIServer(port int) error {
	policy, admission := filepath.Join(c.dir, "audit-policy.yaml"), filepath.Join(c.dir, "admission.yaml")
	text := "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n"
	if err := os.WriteFile(policy, []byte(text), 0o600); err != nil {
		return err
	}
	// Pods go to the node that pretends, unless their namespace's annotation names another one's label.
	text = "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins:\n- name: PodNodeSelector\n" +
		"  configuration: {podNodeSelectorPluginConfig: {clusterDefaultNodeSelector: " + podsLabel + "=pretend}}\n"
	if err := os.WriteFile(admission, []byte(text), 0o600); err != nil {
		return err
	}
	return c.part("kube-apiserver",
		"--etcd-servers="+c.etcd,
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", port),
		// The reconciler wants no address on loopback.
		"--endpoint-reconciler-type=none",
		"--tls-cert-file="+c.pki.path("apiserver.crt"), "--tls-private-key-file="+c.pki.path("apiserver.key"),
		"--client-ca-file="+c.pki.path("ca.crt"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+c.pki.path("accounts.key"),
		"--service-account-signing-key-file="+c.pki.path("accounts.key"),
		"--kubelet-client-certificate="+c.pki.path("admin.crt"), "--kubelet-client-key="+c.pki.path("admin.key"),
		"--kubelet-preferred-address-types=InternalIP",
		"--service-cluster-ip-range=10.96.0.0/16",
		"--authorization-mode=Node,RBAC", "--allow-privileged=true",
		"--enable-priority-and-fairness=false", "--profiling=false",
		"--enable-admission-plugins=PodNodeSelector", "--admission-control-config-file="+admission,
		// What was asked, and by whom, for tests that count requests.
		"--audit-policy-file="+policy, "--audit-log-path="+filepath.Join(c.dir, "audit.log"),
	)
}

func (c *cluster) startControllers() error {
	ports := [2]int{}
	for i := range ports {
		port, err := freePort()
		if err != nil {
			return err
		}
		ports[i] = port
	}
	err := c.part("kube-controller-manager",
		"--kubeconfig="+c.kubeconfig(), "--leader-elect=false", "--profiling=false",
		"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", ports[0]),
		"--root-ca-file="+c.pki.path("ca.crt"),
		"--service-account-private-key-file="+c.pki.path("accounts.key"),
		"--cluster-signing-cert-file="+c.pki.path("ca.crt"), "--cluster-signing-key-file="+c.pki.path("ca.key"),
	)
	if err != nil {
		return err
	}
	return c.part("kube-scheduler",
		"--kubeconfig="+c.kubeconfig(), "--leader-elect=false", "--profiling=false",
		"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", ports[1]),
	)
}

// part starts this binary once more, as one of the parts.
func (c *cluster) part(name string, arguments ...string) error {
	log, err := os.Create(c.log(name))
	if err != nil {
		return err
	}
	defer log.Close()
	command := exec.Command("/proc/self/exe", append([]string{name}, arguments...)...)
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	c.start <- func() { started <- command.Start() }
	if err := <-started; err != nil {
		return err
	}
	c.parts = append(c.parts, command)
	go func() {
		err := command.Wait()
		c.ended <- fmt.Errorf("%s ended (%v): %s", name, err, tail(c.log(name)))
	}()
	return nil
}

// end ends the parts, in the reverse of the order in which they were started.
func (c *cluster) end() {
	if c.endContainers != nil {
		c.endContainers()
	}
	for i := len(c.parts) - 1; i >= 0; i-- {
		_ = c.parts[i].Process.Kill()
	}
}

// until waits for a part of the cluster, but no longer than the others live.
func (c *cluster) until(ctx context.Context, what string, ready func() error) error {
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case ended := <-c.ended:
			return ended
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready in time: %w", what, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (c *cluster) client() (*kubernetes.Clientset, error) {
	return kubernetes.NewForConfig(&rest.Config{
		Host: c.api, QPS: 100, Burst: 200,
		TLSClientConfig: rest.TLSClientConfig{
			CAFile: c.pki.path("ca.crt"), CertFile: c.pki.path("admin.crt"), KeyFile: c.pki.path("admin.key"),
		},
	})
}

func (c *cluster) kubeconfig() string { return filepath.Join(c.dir, "kubeconfig") }

func (c *cluster) log(name string) string { return filepath.Join(c.dir, name+".log") }

// writeKubeconfig writes what administrators log in with, under the name that tests look for when all is ready.
func (c *cluster) writeKubeconfig() error {
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: %q, certificate-authority-data: %s}}]
users: [{name: admin, user: {client-certificate-data: %s, client-key-data: %s}}]
contexts: [{name: test, context: {cluster: test, user: admin, namespace: default}}]
current-context: test
`, c.api, c.pki.data("ca.crt"), c.pki.data("admin.crt"), c.pki.data("admin.key"))
	return os.WriteFile(c.kubeconfig(), []byte(text), 0o600)
}

func get(ctx context.Context, client *kubernetes.Clientset, path string) error {
	return client.Discovery().RESTClient().Get().AbsPath(path).Do(ctx).Error()
}

func freeURL() (*url.URL, error) {
	port, err := freePort()
	return &url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", port)}, err
}

// freePort asks the system for a port that is free now; its next user is expected to come soon.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

func tail(path string) string {
	text, _ := os.ReadFile(path)
	if len(text) > 2000 {
		text = text[len(text)-2000:]
	}
	return string(text)
}
