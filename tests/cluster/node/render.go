package node

import (
	"embed"
	"os"
	"text/template"
)

//go:embed conf
var conf embed.FS

// render fills in one of the files in conf.
func render(to, name string, o Options) error {
	t, err := template.ParseFS(conf, "conf/"+name)
	if err != nil {
		return err
	}
	file, err := os.Create(to)
	if err != nil {
		return err
	}
	defer file.Close()
	return t.Execute(file, o)
}
