"""Makes EC2 calls with boto3, as JSON on standard input says, and prints what became of each as JSON.

Input: {"endpoint": URL, "ids": {name: value}, "make": bool, "calls": [[label, operation, parameters], ...]}.
"{name}" in parameters stands for an id. With "make" two instances and two addresses are made first, in an
account that has none, and become ids. What is printed has names in place of ids.
"""
import json
import re
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

task = json.load(sys.stdin)
config = Config(retries={"total_max_attempts": 1}, connect_timeout=20, read_timeout=20)
ec2 = boto3.client("ec2", endpoint_url=task["endpoint"], region_name="eu-west-1", config=config)
ids = dict(task["ids"])


def instances():
    return [i for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]]


if task["make"]:
    ec2.run_instances(ImageId="ami-12c6146b", MinCount=2, MaxCount=2)
    ids["entry"] = ec2.allocate_address(Domain="vpc")["AllocationId"]
    ids["other"] = ec2.allocate_address(Domain="vpc")["AllocationId"]
found = instances()
if not task["make"]:
    found.sort(key=lambda instance: instance["InstanceId"] != ids["i1"])
for number, instance in enumerate(found, 1):
    interface = instance["NetworkInterfaces"][0]
    ids[f"i{number}"] = instance["InstanceId"]
    ids[f"eni{number}"] = interface["NetworkInterfaceId"]
    ids[f"private{number}"] = interface["PrivateIpAddress"]
    ids[f"dns{number}"] = instance["PrivateDnsName"]
for name in ("entry", "other"):
    address = ec2.describe_addresses(AllocationIds=[ids[name]])["Addresses"][0]
    ids[f"{name}Ip"] = address["PublicIp"]
# A free address of the instances' subnet.
ids["free"] = re.sub(r"\d+$", "77", ids["private1"])


def filled(value):
    if isinstance(value, dict):
        return {key: filled(item) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item) for item in value]
    return value.format(**ids) if isinstance(value, str) else value


def named(value):
    text = json.dumps(value, default=str)
    for name, text_id in sorted(ids.items(), key=lambda item: -len(item[1])):
        text = re.sub(rf"(?<![\w.-]){re.escape(text_id)}(?![\w-])", "{" + name + "}", text)
    return json.loads(text)


results = {}
for label, operation, parameters in task["calls"]:
    try:
        answer = getattr(ec2, operation)(**filled(parameters))
        answer.pop("ResponseMetadata")
        if "AssociationId" in answer:
            ids["previous"] = ids.get("association", "eipassoc-00000000000000000")
            ids["association"] = answer["AssociationId"]
        results[label] = named(answer)
    except ClientError as error:
        results[label] = error.response["Error"]["Code"]
    except ResponseParserError:
        results[label] = "not XML"
print(json.dumps(results))
