// Reads EC2 with the SDK for Go, version 2, and prints what it saw as one JSON document: instances by pages, a waiter, and an error
// with how often it was asked for.
//
// It runs by hand, since to build the SDK takes two minutes and 200 MB. On Debian, with the packages golang-go and
// golang-github-aws-aws-sdk-go-v2-dev:
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go build -o /tmp/ec2 tests/go/ec2.go
//	AWS_ENDPOINT_URL_EC2=http://127.0.0.1:8378/123456789012/ AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=testing \
//	AWS_SECRET_ACCESS_KEY=testing /tmp/ec2 i-0123456789abcdef0
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go"
)

// counted counts the requests that are sent.
type counted struct{ sent atomic.Int64 }

func (c *counted) Do(request *http.Request) (*http.Response, error) {
	c.sent.Add(1)
	return http.DefaultClient.Do(request)
}

func main() {
	ctx := context.Background()
	counter := &counted{}
	must := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err, "- after so many requests:", counter.sent.Load())
			os.Exit(1)
		}
	}
	// This release is older than the variable of the endpoint.
	url := os.Getenv("AWS_ENDPOINT_URL_EC2")
	at := func(_, region string, _ ...interface{}) (aws.Endpoint, error) {
		return aws.Endpoint{URL: url, SigningRegion: region}, nil
	}
	settings, err := config.LoadDefaultConfig(ctx,
		config.WithHTTPClient(counter),
		config.WithEndpointResolverWithOptions(aws.EndpointResolverWithOptionsFunc(at)))
	must(err)
	client := ec2.NewFromConfig(settings)

	instances, pages := []string{}, 0
	paginator := ec2.NewDescribeInstancesPaginator(client, &ec2.DescribeInstancesInput{MaxResults: aws.Int32(5)})
	running := ""
	for paginator.HasMorePages() {
		page, err := paginator.NextPage(ctx)
		must(err)
		pages++
		for _, reservation := range page.Reservations {
			for _, instance := range reservation.Instances {
				instances = append(instances, *instance.InstanceId)
				if instance.State.Name == "running" {
					running = *instance.InstanceId
				}
			}
		}
	}
	must(ec2.NewInstanceRunningWaiter(client).Wait(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{running}}, time.Minute))

	before := counter.sent.Load()
	_, err = client.DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: os.Args[1:]})
	var failure smithy.APIError
	code, message := "", ""
	if errors.As(err, &failure) {
		code, message = failure.ErrorCode(), failure.ErrorMessage()
	}
	must(json.NewEncoder(os.Stdout).Encode(map[string]interface{}{
		"instances": instances, "pages": pages, "code": code, "message": message, "attempts": counter.sent.Load() - before,
	}))
}
