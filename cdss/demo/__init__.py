"""A small made-up hospital for the demo and for tests; every resource is tagged as test data."""

from cdss.demo.hospital import DemoPatient, demo_hospital, write_demo
from cdss.demo.people import Staff, demo_staff
from cdss.demo.stories import Story, demo_stories

__all__ = ["DemoPatient", "Staff", "Story", "demo_hospital", "demo_staff", "demo_stories", "write_demo"]
